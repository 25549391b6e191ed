import shutil
import subprocess

import pytest

from ml_run.reporting import write_reports
from report_sample import HOSTILE, make_checked_data, make_config, make_evaluation, make_finished, make_model

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# In a frame of 360 pixels: does the page itself scroll sideways, and did any script of the data run?
PROBE = """<!DOCTYPE html><title>probe</title>
<iframe id="f" src="report.html" style="width:{width}px;height:900px"></iframe>
<script>
onload = () => {{
  const page = document.getElementById("f").contentDocument;
  document.title = [page.title, page.documentElement.scrollWidth, page.scripts.length].join(" # ");
}};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [360, 1200])
def test_r37_in_a_browser_nothing_runs_and_the_page_does_not_scroll_sideways(tmp_path, width):
    """In headless Chromium the hostile labels stay text, and only tables and charts scroll, in their own boxes."""
    records = {"data": make_checked_data(HOSTILE), "model": make_model(HOSTILE), "evaluation": make_evaluation(HOSTILE)}
    experiment = make_finished(tmp_path, **records)
    write_reports(make_config(tmp_path), experiment)
    probe = experiment.folder / "probe.html"
    probe.write_text(PROBE.format(width=width), "utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={tmp_path}/profile", probe.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    name, scroll_width, scripts = title.split(" # ")
    assert name == "PASS: first try"
    assert int(scroll_width) <= width
    assert scripts == "0"
