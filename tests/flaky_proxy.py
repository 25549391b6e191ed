"""A proxy before an HTTP server that spoils a share of what passes, in each way that servers are known to fail."""

import http.client
import http.server
import random
import threading
import time

FAULTS = ("500", "503", "silence", "garbage", "empty", "redirect", "lost")
"""`empty`: 200 and `{}`; `lost`: the request is done, and its answer is a 500."""
_SPOILT = {
    "500": (500, b"busy", {}),
    "503": (503, b"busy", {}),
    "garbage": (200, b"<html>\xff welcome", {}),
    "empty": (200, b"{}", {}),
    "redirect": (302, b"", {"Location": "/nowhere"}),
}
_OF_ONE_CONNECTION = {"host", "connection", "transfer-encoding", "content-length"}


class Flaky:
    """A proxy before the server at `port`; a share of the requests, drawn at random, meets one of `faults`."""

    def __init__(self, port, *, share, seed, silence, faults=FAULTS):
        self.port, self.share, self.silence, self.faults = port, share, silence, faults
        self.met = dict.fromkeys(FAULTS, 0)
        """How often each fault was met."""
        self.passed = 0
        self._chance, self._lock = random.Random(seed), threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.flaky = self
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def draw(self):
        """The fault of the next request, or None."""
        with self._lock:
            fault = self._chance.choice(self.faults) if self._chance.random() < self.share else None
            if fault:
                self.met[fault] += 1
            else:
                self.passed += 1
            return fault

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_):
        """Say nothing."""

    def _answer(self):
        flaky = self.server.flaky
        body = self._body()
        fault = flaky.draw()
        if fault == "silence":
            time.sleep(flaky.silence)
            self.close_connection = True
        elif fault in _SPOILT:
            self._tell(*_SPOILT[fault])
        else:
            answer = self._pass_on(flaky.port, body)
            self._tell(*((500, b"lost", {}) if fault else answer))

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":  # as requests sends an empty file
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _pass_on(self, port, body):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _OF_ONE_CONNECTION}
        kept |= {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))}
        client.request(self.command, self.path, body=body, headers=kept)
        answer = client.getresponse()
        content = answer.read()
        client.close()
        return answer.status, content, {"Content-Type": answer.getheader("Content-Type", "")}

    def _tell(self, status, content, headers):
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # whoever asked waits no more
            self.close_connection = True
