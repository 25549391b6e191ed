"""R37 from the front door: what stands in labels and texts is shown as it is, and nothing of it ever acts."""

import csv
import json
import re
import shutil
import subprocess

import pytest

from conftest import LABELS, make_rows, write_project
from harness import ml_run

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WORDS = (
    "<script>document.title='run'</script>",
    "</style><img src=x onerror=\"document.title='run'\">",
    "[/foo] [bold]",
    '=HYPERLINK("http://x.example";"y")',
    "\x1b]8;;http://x.example\x1b\\link\x1b]8;;\x1b\\",
    "half \ud800 of a pair",
    "one\u2028two\r\nthree",
)
NAMES = ("</style><script>document.title='run'</script>", "[/foo]", "=HYPERLINK()")
PROBE = """<!DOCTYPE html><title>probe</title>
<iframe id="f" src="report.html" style="width:800px;height:900px"></iframe>
<script>
onload = () => {
  const page = document.getElementById("f").contentDocument;
  const made = page.querySelectorAll("script, img, iframe, object, embed, b, a:not([href^='#'])").length;
  const shown = page.body.innerText.includes("<script>document.title='run'<\\/script>");
  document.title = [page.title, made, shown].join(" # ");
};
</script>"""


def hostile_rows(count, seed):
    """Rows that can be told apart, each with words that would act if they were let."""
    rows = make_rows(count, seed)
    return [row | {"text": f"{WORDS[number % len(WORDS)]} {row['text']}"} for number, row in enumerate(rows)]


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A run of a linear model over hostile rows, to the end, and a prediction of its test file as a table."""
    folder = tmp_path_factory.mktemp("hostile")
    names = dict(zip(LABELS, NAMES, strict=True))
    goes_on = {"encoding": "warning", "conflict": "warning"}  # else the data would not be ready, and nothing trained
    write_project(folder, data={"label_map": names, "checks": goes_on}, model={"name": "linear", "num_labels": 3})
    for seed, (split, count) in enumerate({"train": 150, "val": 60, "test": 60}.items()):
        lines = [json.dumps(row) for row in hostile_rows(count, seed)]  # escapes are how half a pair gets into a file
        if split == "train":  # labels that speak against each other fill the review queue
            lines += [json.dumps(row | {"label": LABELS[0]}) for row in hostile_rows(12, seed)]
        (folder / f"data/{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    done = [ml_run("hostile", cwd=folder), ml_run("check-data", cwd=folder), ml_run("show", "latest", cwd=folder)]
    done.append(ml_run("predict", "data/test.jsonl", "out.csv", "--model", "latest", cwd=folder))
    (run,) = (folder / "experiments").glob("exp_*")
    return folder, run, done


@pytest.mark.slow
def test_r37_nothing_crashes_and_no_escape_reaches_the_terminal(walked):
    """All four commands end as they would on harmless rows, and print no control character but line breaks."""
    _, _, done = walked
    for one in done:
        assert one.code in {0, 5, 6}, one.err
        assert "Traceback" not in one.err
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\ud800-\udfff]", one.out + one.err)


@pytest.mark.slow
def test_r37_the_log_has_one_line_a_record(walked):
    """Each line of run.log begins with its time, and each line of events.jsonl is one object."""
    _, run, _ = walked
    log = (run / "logs/run.log").read_text("utf-8").splitlines()
    assert len(log) > 10
    assert all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", line) for line in log)
    events = (run / "logs/events.jsonl").read_text("utf-8").split("\n")[:-1]
    assert all(isinstance(json.loads(line), dict) for line in events)


@pytest.mark.slow
def test_r37_no_cell_of_a_table_is_a_formula(walked):
    """In the review queue and in predictions no cell begins as a formula does, behind blanks or not."""
    folder, run, _ = walked
    for file in (run / "data/review_queue.csv", folder / "out.csv"):
        with file.open(encoding="utf-8-sig", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert any("HYPERLINK" in cell for cell in cells), file
        assert not [cell for cell in cells if re.match(r"\s*[=+@]", cell)], file


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_r37_in_a_real_browser_no_script_runs(walked):
    """Headless Chromium opens the report of the run: its title is ours, it made no element of the data, shows it."""
    folder, run, _ = walked
    probe = run / "probe.html"
    probe.write_text(PROBE, "utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    command += [f"--user-data-dir={folder}/profile", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    name, made, shown = title.split(" # ")
    assert re.fullmatch(r"(PASS|FAIL|INCONCLUSIVE): hostile", name)
    assert (made, shown) == ("0", "true")
