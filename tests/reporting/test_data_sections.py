"""The report of a data check, and the section on the data in a run's report: order, presence, harmlessness."""

import re

import pytest

from ml_run.experiment import Experiment
from ml_run.reporting import write_data_report, write_reports
from ml_run.results import PreparedData
from report_sample import (
    HOSTILE,
    data_part,
    make_checked_data,
    make_config,
    make_data,
    make_finished,
    make_model,
)

ALL_PARTS = [
    "What to do first",
    "The splits and their classes",
    "How much of a text the model reads",
    "Copies inside and between the splits",
    "Can these test rows decide the criteria?",
    "Can the label be told without reading?",
    "Likely label errors",
    "Language and script",
    "Findings, worst first",
    "Advice for this language, on what was measured",
]


def checked(project, data: PreparedData):
    experiment = Experiment(project / "experiments" / "check_data")
    experiment.folder.mkdir(parents=True, exist_ok=True)
    assert write_data_report(make_config(project), experiment, data) == experiment.report_html
    return experiment.report_md.read_text("utf-8"), experiment.report_html.read_text("utf-8")


def test_a_data_check_reads_from_the_answer_to_the_evidence(tmp_path):
    """Title, what was read, the answer, why, then the parts in order."""
    markdown, page = checked(tmp_path, make_checked_data())
    assert markdown.split("\n\n")[:5] == [
        "# Data check: data/train.jsonl",
        "811 rows of train, 122 rows of val and 243 rows of test · fingerprint `f00df00df00d`",
        "## READY WITH WARNINGS",
        "**The data is ready with warnings: it can be used, and the warnings below say what to look at.**",
        (
            "- 4 training rows have a copy in the test split. (`leak_exact`)\n"
            "- The field source tells the label: macro-F1 0.691, where guessing gives 0.333. (`shortcut`)\n"
            "- 2 texts stand there with different labels. (`conflict`)\n"
            "- 51 test rows of Southern cannot decide min_class_recall\\[Southern]. (`gate_undecidable`)"
        ),
    ]
    assert re.findall("(?m)^## (.+)$", markdown)[1:] == ALL_PARTS
    assert re.findall('<h2 id="[^"]+">([^<]+)</h2>', page)[1:] == ALL_PARTS
    assert "<title>READY WITH WARNINGS: data/train.jsonl</title>" in page
    assert '<p class="what">Data check</p>\n<h1><bdi dir="auto">data/train.jsonl</bdi></h1>' in page
    assert page.count('<svg class="chart"') == 4
    assert "\n\n\n" not in markdown


def test_a_data_check_without_records_says_no_more_than_it_knows(tmp_path):
    """Splits and findings are always there; of the rest nothing is said."""
    markdown, page = checked(tmp_path, make_data(findings=(), advice=(), language=None, readiness="ready"))
    assert re.findall("(?m)^## (.+)$", markdown) == ["READY", "The splits and their classes", "Findings, worst first"]
    assert markdown.endswith("No check found anything.\n")
    assert page.count('<svg class="chart"') == 1


def test_a_data_check_needs_no_run_and_leaves_two_files(tmp_path):
    """No run.json is read, no figure and no copy among the reports is written; writing again gives the same bytes."""
    first = checked(tmp_path, make_checked_data())
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["experiments/check_data/report.html", "experiments/check_data/report.md"]
    assert checked(tmp_path, make_checked_data()) == first


def test_data_without_a_readable_row_is_reported_too(tmp_path):
    """Not ready because nothing could be read: the errors are told, and no chart of nothing is drawn."""
    full = make_data(findings=(), readiness="not ready")
    empty = {name: split.model_copy(update={"rows": 0, "classes": {}}) for name, split in full.splits.items()}
    markdown, page = checked(tmp_path, full.model_copy(update={"labels": (), "splits": empty}))
    assert "| **train** | data/train.jsonl | 0 | 4 | 41 | 190 |" in markdown
    assert '<svg class="chart"' not in page
    markdown, page = checked(tmp_path, full.model_copy(update={"labels": (), "splits": {}}))
    assert markdown.startswith(f"# Data check: {tmp_path.name}\n\nfingerprint `f00df00df00d`\n\n## NOT READY\n")
    assert '<svg class="chart"' not in page


def test_synthetic_data_is_called_so_above_the_answer(tmp_path):
    """No number of generated text can be taken for one of a language."""
    markdown, _ = checked(tmp_path, make_checked_data(synthetic=True))
    assert markdown.split("\n\n")[2].startswith("> **SYNTHETIC data: made by a generator")


def test_no_text_of_the_user_becomes_markup(tmp_path):
    """Scripts, styles, escapes and direction overrides appear as the characters they are, in page and Markdown."""
    markdown, page = checked(tmp_path, make_checked_data(HOSTILE))
    assert "<script" not in page
    assert page.count("<style>") == 1
    assert "&lt;script&gt;document.title=&#39;run&#39;&lt;/script&gt;" in page
    assert '<bdi dir="auto">شمالي</bdi>' in page
    for text in (markdown, page):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "<" not in re.sub("`+.+?`+", "", markdown)


def test_no_path_of_this_machine_is_in_the_report(tmp_path):
    """Reports are shared; the project folder is left out."""
    data = make_checked_data()
    splits = {
        name: split.model_copy(update={"source": f"{tmp_path}/{split.source}"}) for name, split in data.splits.items()
    }
    markdown, page = checked(tmp_path, data.model_copy(update={"splits": splits}))
    assert str(tmp_path) not in markdown + page


@pytest.mark.parametrize("labels", [13, 300])
def test_no_part_is_endless(tmp_path, labels):
    """Many classes make the report no longer than a dozen do."""
    names = tuple(f"class {number:03}" for number in range(labels))
    markdown, page = checked(tmp_path, make_checked_data(names))
    longest = max(len(re.findall("(?m)^\\|", part)) for part in markdown.split("\n## "))
    assert longest <= 45
    assert len(page) < 120_000


def test_classes_between_the_largest_and_the_smallest_are_summed_up():
    """The sum of the shown rows is the split's."""
    data = make_data(tuple(f"class {number:02}" for number in range(20)))
    rows = [line.split(" | ") for line in data_part(data, "splits").splitlines() if line.startswith(("| class", "| 8"))]
    assert [row[0] for row in rows][7:10] == ["| class 07", "| 8 classes between", "| class 16"]
    assert sum(int(row[1].split(" ")[0]) for row in rows) == data.splits["train"].rows


# --- in a run's report ----------------------------------------------------------------------------------------------


def test_a_run_has_all_of_it_in_one_section(tmp_path):
    """The same parts stand under headings of The data, after readiness and why; their figures are files."""
    experiment = make_finished(tmp_path, data=make_checked_data())
    write_reports(make_config(tmp_path), experiment)
    markdown = experiment.report_md.read_text("utf-8")
    section = markdown[markdown.index("## The data") : markdown.index("## Training")]
    assert section.startswith(
        "## The data\n\nThe data is **ready with warnings**: it can be used, and the warnings below say what to look "
        "at.\n\n- 4 training rows have a copy in the test split. (`leak_exact`)\n"
    )
    assert re.findall("(?m)^### (.+)$", section) == ALL_PARTS
    names = ["class-balance", "token-lengths", "copies", "shortcuts"]
    assert re.findall(r"!\[[^]]+\]\(evaluation/figures/([^)]+)\.svg\)", section) == names
    assert all((experiment.evaluation / "figures" / f"{name}.svg").is_file() for name in names)


def test_a_run_tells_in_its_first_lines_how_the_data_was(tmp_path):
    """A verdict is read together with the readiness of what it stands on."""
    experiment = make_finished(tmp_path, data=make_checked_data(), model=make_model())
    write_reports(make_config(tmp_path), experiment)
    top = experiment.report_md.read_text("utf-8").partition("## What it gets wrong")[0]
    assert "- The data is **ready with warnings**: 4 warnings, under The data.\n" in top
