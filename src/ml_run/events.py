"""What happens in a run, told through `logging`: one call reaches the terminal, `run.log` and `events.jsonl`.

Stages call `emit`; who listens is not their business. `recording` attaches the two files of an experiment.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_run.redaction import redact

logger = logging.getLogger("ml_run")
_CONTROL = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]}
_TAIL = 1 << 16
_BREAKS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}  # legal in JSON, but readers of lines split there


def emit(event: str, message: str, *, level: int = logging.INFO, **data: Any) -> None:
    """Tell that `event` happened.

    Args:
        event: its kind, e.g. `stage_started`, `progress`, `metrics`, `verdict`, `warning`.
        message: one line for people.
        level: `logging` level; DEBUG stays out of the terminal.
        data: JSON-able facts for machines; they become the fields of the line in `events.jsonl`.
    """
    logger.log(level, "%s", message, extra={"event": event, "data": data})


def utc_now() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def one_line(text: str) -> str:
    """`text` with control characters and line breaks written out, so that a log line stays one line."""
    return text.translate(_CONTROL)


class JournalHandler(logging.Handler):
    """Appends events to `events.jsonl`: one object a line, each written by one call.

    Lines carry `seq` (goes on after a resume; the order when clocks jump), `time` (UTC), `elapsed` (seconds since this
    process began to record, monotonic), `event`, `message` and the event's own fields.
    """

    def __init__(self, path: Path, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets
        self._seq, cut = _last_line(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._start = time.monotonic()
        if cut:
            os.write(self._file, b"\n")

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            self._seq += 1
            line = {
                "seq": self._seq,
                "time": utc_now(),
                "elapsed": round(time.monotonic() - self._start, 3),
                "event": getattr(record, "event", "log"),
                "level": record.levelname.lower(),
                "message": record.getMessage(),
                **getattr(record, "data", {}),
            }
            text = json.dumps(_redacted(line, self._secrets), ensure_ascii=False) + "\n"
            os.write(self._file, text.translate(_BREAKS).encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 -- a log line must never end a run
            self.handleError(record)

    def close(self) -> None:
        """Flush to disk and close."""
        os.fsync(self._file)
        os.close(self._file)
        super().close()


def _redacted(value: Any, secrets: Sequence[str]) -> Any:
    """`value` as JSON can hold it, masked before it is escaped: a secret may hold a quote or a backslash."""
    if isinstance(value, dict):
        return {redact(str(key), secrets): _redacted(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, secrets) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value), secrets)


def _last_line(path: Path) -> tuple[int, bool]:
    """Return the last sequence number in the journal, and whether its last line was cut by a crash."""
    if not path.exists():
        return 0, False
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        number = _last_number(tail)
        if number is None:  # a line longer than the tail
            file.seek(0)
            number = _last_number(file.read())
    return number or 0, bool(tail) and not tail.endswith(b"\n")


def _last_number(lines: bytes) -> int | None:
    for line in reversed(lines.splitlines()):
        try:
            return int(json.loads(line)["seq"])
        except (ValueError, KeyError, TypeError):
            continue  # cut at either end
    return None


class _LineFormatter(logging.Formatter):
    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        text = one_line(redact(record.getMessage(), self._secrets))
        return f"{utc_now()} {record.levelname:<7} {text}"


@contextmanager
def recording(logs: Path, secrets: Sequence[str] = ()) -> Iterator[None]:
    """Write events to `events.jsonl` and `run.log` in the folder `logs` within the block.

    Progress goes to the journal only; `run.log` is for people to read afterwards. Every event is recorded, whatever
    the terminal shows, and reaches no handler of the root logger, which would show secrets.

    Args:
        logs: the folder; made if missing.
        secrets: values that must not reach the disk; `***` is written in their place.
    """
    logs.mkdir(parents=True, exist_ok=True)
    journal = JournalHandler(logs / "events.jsonl", secrets)
    human = logging.FileHandler(logs / "run.log", encoding="utf-8", errors="backslashreplace")
    human.setFormatter(_LineFormatter(secrets))
    human.addFilter(lambda record: getattr(record, "event", "log") not in {"progress", "metrics"})
    before = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in (journal, human):
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(before[0])  # not by assignment: levels are cached
        logger.propagate = before[1]
        for handler in (journal, human):
            logger.removeHandler(handler)
            handler.close()
