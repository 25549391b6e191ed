"""The page at `/`: what it tells, that nothing on it runs, and that it looks right in a browser."""

import asyncio
import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from ml_run.evaluation.influence import words_for
from ml_run.serving import page
from ml_run.serving.batching import Batcher
from ml_run.serving.metrics import Metrics
from ml_run.serving.models import Models, ServedModel
from ml_run.serving.words import Explainer
from serve_harness import TEXT, Server, deploy, scorer

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '</textarea><script>document.title="run"</script>"\'<b>gaadhay</b> \x1b]8;; \u202e'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    project = tmp_path_factory.mktemp("shop")
    deploy(project, "5")
    with Server(project) as running:
        yield running


def attempt(server, text):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return server.ask("POST", "/", body=f"text={quote_plus(text)}".encode(), headers=headers)


def plain(content):
    """What people read of a page."""
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", content, flags=re.DOTALL)).split())


def test_the_empty_page_has_the_form_version_and_card(server):
    """A form that needs no script, the version, its labels, the card; nothing from elsewhere is allowed in."""
    answer = server.get("/")
    assert answer.status == 200
    assert "Version 5, in production. It knows 3 labels: Central" in plain(answer.text)
    assert "# A card" in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_a_text_is_answered_with_the_words_that_spoke_for_it(server):
    """Label, probability of each, and the words that were asked about; the text stays in the form."""
    found = attempt(server, f"{TEXT} dawlad").text
    assert re.search(r"Northern says version 5, with a probability of (over )?\d\d\.\d %", plain(found))
    marked = re.findall(r"<mark>(.*?)</mark>", found)
    assert set(marked) & {"yidhi", "gaadhay", "dawlad"}
    assert f"{TEXT} dawlad</textarea>" in found
    assert [float(value) for value in re.findall(r'<meter min="0" max="1" value="([\d.]+)"', found)] == sorted(
        map(float, re.findall(r'value="([\d.]+)"', found)), reverse=True
    )


def test_r37_a_hostile_text_stays_text(server):
    """Markup, escape sequences and direction marks in a text are shown, not obeyed."""
    answer = attempt(server, HOSTILE)
    assert answer.status == 200
    assert "<script" not in answer.text
    assert "<b>" not in answer.text
    assert "&lt;/textarea&gt;" in answer.text


@pytest.mark.parametrize("text", ["", " ", "ሰላም፡ለዓለም፡ዛሬ", "مرحبا بالعالم اليوم", "x" * 20_000, "a b " * 5000])
def test_any_text_gets_a_page(server, text):
    """Empty, Ethiopic, right to left, one endless word, very long: a page with an answer."""
    answer = attempt(server, text)
    assert answer.status == 200
    assert 'id="label"' in answer.text


def test_a_text_that_is_too_long_is_told(server):
    """The page says what is wrong with status 422, and does not send it all back."""
    answer = attempt(server, "y" * 20_001)
    assert answer.status == 422
    assert "A text may have 20,000 characters; this one has 20,001" in plain(answer.text)
    assert "yyyy" not in answer.text
    assert server.ask("POST", "/", body=b"\xff\xfe").status == 422
    assert server.ask("POST", "/", body=b"text=" + b"a" * 2_000_000).status == 413


def test_without_time_the_page_goes_without_words():
    """The words are asked for through the queue; past the time there are none, and the page says so."""

    async def look():
        models = Models(Path("nowhere"), Metrics())
        models.serving = model = ServedModel("1", "0" * 64, scorer(), "")
        batcher = Batcher(models, Metrics(), 10)
        running, explainer = asyncio.create_task(batcher.run()), Explainer(batcher)
        found = [await explainer.words(model, TEXT, "Northern", "Central", seconds) for seconds in (5, 0)]
        models.serving = replace(model, version="2")
        found.append(await explainer.words(model, TEXT, "Northern", "Central", 5))
        running.cancel()
        return model, found

    model, found = asyncio.run(look())
    assert found[0] == words_for(TEXT, "Northern", "Central", scorer())
    assert {word.text for word in found[0]} <= {"yidhi", "gaadhay", "wadan", "biyo"}
    assert found[1:] == [None, None]
    shares = [page.Share("Northern", 0.75), page.Share("Central", 0.25)]
    told = plain(page.render(model, tried=page.Tried(TEXT, shares, truncated=True, words=None)))
    assert "There was no time to look for them" in told
    assert "The text is longer than what this model reads" in told


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_in_a_browser_the_form_works_without_a_script_and_nothing_scrolls_sideways(server, tmp_path):
    """Chromium sends the form as people do; on 360 and 1,200 pixels the answer is as wide as the window."""
    sender = tmp_path / "send.html"
    sender.write_text(
        f'<form method="post" action="{server.url}/"><textarea name="text">{html.escape(HOSTILE)}</textarea></form>'
        "<script>document.forms[0].submit()</script>",
        "utf-8",
    )
    found = browse(tmp_path, sender, "--virtual-time-budget=5000")
    assert "says version 5" in found
    assert re.search(r"<title>\w+: try the model</title>", found)
    answer = tmp_path / "answer.html"
    answer.write_text(attempt(server, f"{HOSTILE} {'x' * 400} " + "ሰላም፡ለዓለም " * 30).text, "utf-8")
    for width in (360, 1200):
        probe = tmp_path / f"probe{width}.html"
        probe.write_text(PROBE.format(width=width), "utf-8")
        assert int(re.search(r"<title>(\d+)</title>", browse(tmp_path, probe))[1]) <= width


PROBE = """<!DOCTYPE html><title>probe</title>
<iframe id="f" src="answer.html" style="width:{width}px;height:900px"></iframe>
<script>
onload = () => {{ document.title = document.getElementById("f").contentDocument.documentElement.scrollWidth; }};
</script>"""


def browse(folder, page, *options):
    """The document as Chromium has it in the end."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    done = subprocess.run(
        [*command, *options, f"--user-data-dir={folder}/profile", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
