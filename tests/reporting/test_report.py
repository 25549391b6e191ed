import re
from html.parser import HTMLParser
from itertools import pairwise
from multiprocessing import get_context

import pytest

from ml_run.errors import UsageError
from ml_run.experiment import Experiment
from ml_run.quality.rules import Checks
from ml_run.reporting import write_reports
from ml_run.results import Deployment, Finding, RunError, StageRecord
from report_sample import (
    HOSTILE,
    REGISTERED,
    make_config,
    make_criterion,
    make_data,
    make_evaluation,
    make_experiment,
    make_finished,
    make_model,
    make_run,
    make_verdict,
)

MET = "The model meets every criterion that was set for it"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order; keeps text, elements and attributes."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], {}
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"closes {tag}, which is not open"
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open[-1:] or [""]:
            self.texts.setdefault(tag, []).append(data)

    def text(self, tag):
        return " ".join(self.texts.get(tag, []))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def written(project, experiment, **sections):
    write_reports(make_config(project, **sections), experiment)
    return experiment.report_md.read_text("utf-8"), Page(experiment.report_html.read_text("utf-8"))


def stages(**status):
    return {name: StageRecord(status=word, started="2026-11-23T05:15:31+00:00") for name, word in status.items()}


# --- decision first -------------------------------------------------------------------------------------------------


def test_the_decision_comes_first_in_plain_words(tmp_path):
    """A reader of the first lines knows the verdict, why, what was done and what to type next."""
    markdown, page = written(tmp_path, make_finished(tmp_path))
    assert markdown.split("\n\n")[:4] == [
        "# Report of the run: first try",
        "`exp_20261123_051530` · begun 2026-11-23 05:15:30 UTC",
        "## PASS",
        "**The model meets every criterion that was set for it; it is deployed as version 3.**",
    ]
    top = markdown[: markdown.index("## What it gets wrong")]
    assert "named the right label for 153 (accuracy 85.0 %, 95 % interval 81.0 % to 89.0 %)" in top
    assert "- **Why:** All 2 criteria are met." in top
    assert "on `min_f1` (about 960 test rows would settle it)." in top
    assert top.endswith("Next:\n\n```sh\nml-run serve\n```\n\n")
    assert page.texts["bdi"][0] == "first try"
    assert page.texts["h2"][0] == "PASS"


def test_a_candidate_no_better_than_the_linear_baseline_is_told_so_first(tmp_path):
    """The first point under the verdict names the cheaper model and both scores, even when the verdict is PASS."""
    markdown, _ = written(tmp_path, make_finished(tmp_path, evaluation=make_evaluation(level=0.74, linear=0.75)))
    first = next(line for line in markdown.splitlines() if line.startswith("- "))
    assert first == (
        "- **Not better than the linear baseline (a linear classifier on character n-grams, which trains in seconds):**"
        " macro-F1 0.730 against 0.740, difference −0.010 [−0.060, +0.040]. "
        "The one to deploy is the cheaper model, if it passes the gate: `model.name: linear`."
    )
    assert (
        "- Take the linear model in earnest: as the candidate, with `--set model.name=linear`, it walks to the same "
        "gate in seconds and needs no accelerator. A larger model earns its cost only once it beats it on the same "
        "test rows."
    ) in markdown


def test_a_lead_that_can_be_chance_is_not_called_better(tmp_path):
    """An interval that holds 0 is 'not shown to be better'."""
    markdown, _ = written(tmp_path, make_finished(tmp_path, evaluation=make_evaluation(level=0.77, linear=0.75)))
    first = next(line for line in markdown.splitlines() if line.startswith("- "))
    assert first.startswith("- **Not shown to be better than the linear baseline")
    assert first.endswith(
        "difference +0.020 [−0.030, +0.070]. That can be chance. The one to deploy is the cheaper model, if it passes "
        "the gate: `model.name: linear`."
    )


@pytest.mark.parametrize(
    ("overall", "action", "headline"),
    [
        ("FAIL", "stopped", "The model does not meet the criteria that were set for it; nothing was deployed."),
        (
            "INCONCLUSIVE",
            "stopped",
            "The test rows cannot tell whether the model meets the criteria; nothing was deployed.",
        ),
        (
            "PASS",
            "failed",
            f"{MET}; but it could not be deployed, and production is unchanged.",
        ),
        (
            "PASS",
            "awaiting",
            f"{MET}; it is not deployed yet: it waits for a person to deploy it.",
        ),
    ],
)
def test_verdict_and_deployment_are_told_apart(tmp_path, overall, action, headline):
    """What was judged and what was done are two facts; both are in the headline."""
    records = {"verdict": make_verdict(overall), "deployment": Deployment(action=action, reason="so it is")}
    markdown, page = written(tmp_path, make_finished(tmp_path, **records))
    assert f"## {overall}\n\n**{headline}**" in markdown
    assert headline in page.text("p")


def test_an_override_is_named_with_its_reason(tmp_path):
    """A model deployed against the verdict says so, and why."""
    done = Deployment(action="deployed", reason="deployed by hand", version="4", override="demo on Friday")
    markdown, _ = written(tmp_path, make_finished(tmp_path, verdict=make_verdict("FAIL"), deployment=done))
    assert "A person overrode the verdict, giving as the reason: Demo on Friday." in markdown


def test_the_rows_production_was_trained_on_are_counted(tmp_path):
    """The comparison with production says on how many rows, and how many were left out."""
    markdown, _ = written(tmp_path, make_finished(tmp_path, evaluation=make_evaluation(production=0.8)))
    assert (
        "Macro-F1 against production (version 2): +0.050 [+0.000, +0.100] on 173 rows that both scored now, "
        "7 rows that production was trained on left out." in markdown
    )


def test_a_store_that_missed_the_run_is_told_with_the_remedy(tmp_path):
    """A verdict that is not recorded yet says how to record it."""
    pending = REGISTERED.model_copy(update={"status": "pending", "reason": "the server does not answer"})
    markdown, _ = written(tmp_path, make_finished(tmp_path, registration=pending))
    assert (
        "**Not recorded in the tracking store yet:** The server does not answer. To send it: `ml-run sync`." in markdown
    )


# --- partial runs ---------------------------------------------------------------------------------------------------

UNSEEN = Finding(
    rule="label_only_in_eval", severity="error", message="Maay is only in test", count=3, remedy="add rows of it"
)


@pytest.mark.parametrize(
    ("run", "records", "mark", "says", "parts"),
    [
        (
            make_run(until="data", stages=stages(data="finished")),
            {"data": make_data()},
            "NO VERDICT",
            "No verdict was asked for: the run stopped after the stage data, as it was told to.",
            ["next", "data", "asked", "reproduce"],
        ),
        (
            make_run(status="failed", stages=stages(data="failed")),
            {
                "data": make_data(findings=(UNSEEN,), readiness="not ready"),
                "error": RunError(found="not ready", where="", remedy="see the report", stage="data"),
            },
            "NOT READY",
            "`label_only_in_eval`: Maay is only in test. **What to do:** Add rows of it.",
            ["next", "data", "asked", "reproduce"],
        ),
        (
            make_run(status="failed", stages=stages(data="finished", train="failed")),
            {
                "data": make_data(),
                "error": RunError(
                    found="the loss is not finite", where="step 12", remedy="lower the rate", stage="train"
                ),
            },
            "ERROR",
            "There is no verdict, because the stage train failed. Nothing was deployed.",
            ["next", "data", "asked", "reproduce"],
        ),
        (
            make_run(status="interrupted", stages=stages(data="finished", train="interrupted")),
            {
                "data": make_data(),
                "error": RunError(found="stopped", where="", remedy="resume", stage="train", kind="interrupted"),
            },
            "INTERRUPTED",
            "There is no verdict yet: the run was interrupted in the stage train. What it had done is saved.",
            ["next", "data", "asked", "reproduce"],
        ),
        (
            make_run(until="evaluate", stages=stages(data="finished", train="finished", evaluate="finished")),
            {"data": make_data(), "model": make_model(), "evaluation": make_evaluation()},
            "NO VERDICT",
            "named the right label for 153",
            ["mistakes", "limits", "reliance", "next", "scores", "data", "training", "asked", "reproduce"],
        ),
        (
            make_run(status="running", stages={}),
            {},
            "NO VERDICT",
            "There is no verdict yet: the run had not ended when this report was written.",
            ["asked", "reproduce"],
        ),
    ],
    ids=["until data", "not ready", "training failed", "interrupted", "until evaluate", "nothing yet"],
)
def test_a_partial_run_gets_a_truthful_report(tmp_path, run, records, mark, says, parts):
    """Whatever a run came to, its report says where it stands, and no more than is known."""
    markdown, page = written(tmp_path, make_experiment(tmp_path, run, **records))
    assert page.texts["h2"][0] == mark
    assert f"## {mark}\n" in markdown
    assert says in markdown
    assert [a["id"] for a in page.all("h2")] == ["decision", *parts]


def test_records_of_an_earlier_walk_are_not_reported(tmp_path):
    """A resumed run whose training failed does not show the scores of the model before."""
    run = make_run(
        status="failed", stages=stages(data="finished", train="failed", evaluate="finished", gate="finished")
    )
    error = RunError(found="out of memory", where="", remedy="smaller batches", stage="train")
    markdown, _ = written(tmp_path, make_finished(tmp_path, run, error=error))
    assert "## ERROR" in markdown
    assert "PASS" not in markdown[: markdown.index("## What was asked")]
    assert "Scores" not in markdown


def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path):
    """A report never guesses at what a record may have said."""
    experiment = make_finished(tmp_path)
    experiment.metrics.write_text("{}", "utf-8")
    with pytest.raises(UsageError, match="not a Evaluation this version can read"):
        write_reports(make_config(tmp_path), experiment)


# --- the evidence ---------------------------------------------------------------------------------------------------


def test_every_criterion_stands_with_value_interval_threshold_and_reason(tmp_path):
    """The gate can be followed line by line."""
    markdown, _ = written(tmp_path, make_finished(tmp_path))
    assert (
        "| `min_f1` | **PASS** | 0.840 | [0.800, 0.880] | ≥ 0.82 | 180 | 960 | "
        "macro_f1 0.840 reaches >= 0.82 on the value alone. |" in markdown
    )


def test_undefined_values_are_shown_as_such(tmp_path):
    """A missing number is never a zero."""
    blank = make_criterion(verdict="INCONCLUSIVE", value=None, low=None, high=None, reason="accuracy is undefined")
    markdown, _ = written(tmp_path, make_finished(tmp_path, verdict=make_verdict("INCONCLUSIVE", (blank,))))
    assert (
        "| `min_accuracy` | **INCONCLUSIVE** | undefined | – | ≥ 0.8 | 180 | – | Accuracy is undefined. |" in markdown
    )


def test_findings_come_worst_first_with_file_line_and_remedy(tmp_path):
    """What stands most against the data is read first; each example can be found."""
    data = make_data(findings=Checks().apply((*make_data().findings, UNSEEN)))  # as the data stage orders them
    markdown, _ = written(tmp_path, make_finished(tmp_path, data=data))
    ranks = [
        markdown.index(text)
        for text in ("**error** `label_only_in_eval`", "**warning** `leak_exact`", "**info** `labels_")
    ]
    assert ranks == sorted(ranks)
    assert "> Waxaa la sheegay in dowladda\n>\n> data/train.jsonl:17 · labelled Northern\n" in markdown
    assert "(Source: BBC Somali, 1,463 texts; checked 2026-08.)" in markdown


def test_long_lists_of_examples_are_cut_and_say_where_the_rest_is(tmp_path):
    """Five examples show what is meant; the others are in the folder."""
    finding = make_data().findings[1]
    many = finding.model_copy(update={"examples": finding.examples * 6, "count": 40})
    markdown, _ = written(tmp_path, make_finished(tmp_path, data=make_data(findings=(many,))))
    assert "*leak_exact: 5 examples of 40, more in data/report.json*" in markdown
    assert markdown.count("\n> data/train.jsonl:") == 5


def test_both_files_state_the_same_numbers(tmp_path):
    """Markdown and HTML are two forms of one document."""
    experiment = make_finished(tmp_path)
    markdown, page = written(tmp_path, experiment)
    shown = [text for tag in ("td", "th", "bdi", "code") for text in page.texts.get(tag, [])]
    cells = {text.strip().replace("\N{NO-BREAK SPACE}", " ") for text in shown if text.strip()}
    rows = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    ours = {cell.strip("`* ") for row in rows for cell in row if not set(cell) <= set("-:")}
    numbers = {cell for cell in ours if re.fullmatch(r"[\d.,\[\] +−%()–\u00a0]+", cell)}
    assert len(numbers) > 40
    assert numbers <= cells


def test_how_to_reproduce_holds_all_that_is_needed(tmp_path):
    """Command, config, versions, seed and commit are in the report."""
    experiment = make_finished(tmp_path)
    experiment.config_file.write_text("training:\n  seed: 42\n", "utf-8")
    markdown, _ = written(tmp_path, experiment)
    part = markdown[markdown.index("## How to reproduce this run") :]
    for needed in (
        "```sh\nml-run 'first try'\n```",
        "python 3.11.9, torch 2.13.0",
        "e" * 40,
        "| Seed | 42 |",
        "  seed: 42",
    ):
        assert needed in part


def test_no_path_of_this_machine_is_in_a_report(tmp_path):
    """Reports are shared; the folders of one machine are left out."""
    store = REGISTERED.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/experiments/mlflow.db"})
    run = make_run(command=f"ml-run --config {tmp_path}/ml_config.yaml")
    experiment = make_finished(tmp_path, run, registration=store)
    experiment.config_file.write_text(f"data:\n  train_path: {tmp_path}/data/train.jsonl\n", "utf-8")
    written(tmp_path, experiment)
    for file in (experiment.report_md, experiment.report_html, tmp_path / ".claude/reports/_registry.md"):
        assert str(tmp_path) not in file.read_text("utf-8")
    assert "train_path: data/train.jsonl" in experiment.report_md.read_text("utf-8")


def test_the_same_records_give_the_same_bytes(tmp_path):
    """A report written again differs only where the run does."""
    experiment = make_finished(tmp_path)
    files = [experiment.report_md, experiment.report_html, tmp_path / ".claude/reports/_registry.md"]
    written(tmp_path, experiment)
    before = [file.read_bytes() for file in files]
    written(tmp_path, experiment)
    assert [file.read_bytes() for file in files] == before


def test_scores_without_leaked_rows_are_shown_when_leaks_were_kept(tmp_path):
    """With data.leaks: keep the clean score stands beside the other, and is the one to trust."""
    evaluation = make_evaluation()
    clean = evaluation.candidate.model_copy(update={"n": 171})
    markdown, _ = written(
        tmp_path, make_finished(tmp_path, evaluation=evaluation.model_copy(update={"candidate_without_leaks": clean}))
    )
    assert "| candidate, on the test rows without a copy in train | 0.840" in markdown
    assert "On the 171 rows without one the macro-F1 is 0.840 [0.800, 0.880]. Trust that number." in markdown


# --- R37: text of users stays text ----------------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path):
    example = (
        make_data()
        .findings[1]
        .examples[0]
        .model_copy(update={"text": "".join(HOSTILE)[:120], "file": "<img src=x>.csv"})
    )
    finding = (
        make_data().findings[1].model_copy(update={"examples": (example,), "message": "odd label </style><script>"})
    )
    return make_finished(
        tmp_path,
        make_run(name="[/foo] name", command="ml-run '<script>' `x` \x1b[31m"),
        data=make_data(HOSTILE, findings=(finding,), synthetic=True),
        model=make_model(HOSTILE, base="<b>model", synthetic=True),
        evaluation=make_evaluation(HOSTILE, level=0.7, linear=0.72, rows=20),
        verdict=make_verdict("FAIL", reason="macro_f1 of <script> is low"),
        deployment=Deployment(action="stopped", reason="the verdict is FAIL"),
    )


def test_r37_no_text_of_the_user_becomes_markup_in_the_page(tmp_path, hostile):
    """Scripts, styles, escapes and direction overrides appear as the characters they are."""
    _, page = written(tmp_path, hostile)
    assert not page.all("script")
    assert not page.all("img")
    assert not page.all("b")
    assert len(page.all("style")) == 1
    assert "<script>document.title='run'</script>" in page.text("bdi")
    assert "\\x1b]8;;http://x.example\\x1b\\" in page.text("bdi")
    source = hostile.report_html.read_text("utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source)


def test_r37_the_page_needs_nothing_else_and_runs_nothing(tmp_path, hostile):
    """One file: no script, no handler, no address to fetch, and a policy that forbids them all."""
    _, page = written(tmp_path, hostile)
    policies = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "form", "image", "use", "foreignobject"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in {"style", "src", "xlink:href"}
            assert name != "href" or value.startswith("#")
    assert "url(" not in page.text("style")
    assert "@import" not in page.text("style")


def test_r37_words_of_the_user_have_a_direction_of_their_own(tmp_path, hostile):
    """Arabic and Ethiopic labels are isolated from the English around them."""
    _, page = written(tmp_path, hostile)
    assert all(a == {"dir": "auto"} for a in page.all("bdi"))
    assert {"ሰሜን ቋንቋ", "شمالي", "[/foo] name"} <= set(page.texts["bdi"])


def test_r37_markdown_has_no_raw_html_and_no_control_character(tmp_path, hostile):
    """The Markdown report is as harmless as the page."""
    markdown, _ = written(tmp_path, hostile)
    outside_code = re.sub(r"(`+).+?\1", "", re.sub(r"(?ms)^(`{3,}).*?^\1$", "", markdown))
    assert "<" not in outside_code
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", markdown)


def test_synthetic_data_is_called_so_above_everything(tmp_path, hostile):
    """A score on generated text cannot be taken for a claim about a language."""
    markdown, page = written(tmp_path, hostile)
    assert markdown.split("\n\n")[2].startswith("> **SYNTHETIC data: made by a generator")
    assert page.text("strong").strip().startswith("SYNTHETIC data")
    assert "| FAIL | SYNTHETIC data. " in (tmp_path / ".claude/reports/_registry.md").read_text("utf-8")


def test_quoted_texts_say_which_language_they_are_in(tmp_path):
    """A screen reader speaks Somali as Somali; where the language is unknown, nothing is claimed."""
    _, page = written(tmp_path, make_finished(tmp_path))
    quotes = page.all("blockquote")
    assert quotes
    assert all(attributes == {"dir": "auto", "lang": "so"} for attributes in quotes)
    _, page = written(tmp_path, make_finished(tmp_path, data=make_data(language=None)))
    assert all(attributes == {"dir": "auto"} for attributes in page.all("blockquote"))


# --- form of the page -----------------------------------------------------------------------------------------------


def test_the_page_is_built_for_screen_readers(tmp_path):
    """Language, landmarks, headings in order, captions, scopes, and a title and text for each figure."""
    _, page = written(tmp_path, make_finished(tmp_path))
    assert page.all("html") == [{"lang": "en"}]
    for landmark in ("header", "main", "nav", "footer"):
        assert len(page.all(landmark)) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(a.get("scope") in {"row", "col"} for a in page.all("th"))
    figures = [a for a in page.all("svg") if a.get("class") == "chart"]
    assert len(figures) == len(page.all("figure")) == 5
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for figure in figures:
        assert figure["role"] == "img"
        assert set(figure["aria-labelledby"].split()) <= set(ids)
    assert {a["href"][1:] for a in page.all("a")} <= set(ids)


def test_the_page_fits_phone_paper_and_night(tmp_path):
    """Tables scroll in boxes of their own; styles for dark screens and for print are there."""
    _, page = written(tmp_path, make_finished(tmp_path))
    boxes = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table")) + len(page.all("figure"))
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in boxes)
    styles = page.text("style")
    assert "prefers-color-scheme: dark" in styles
    assert "@media print" in styles
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_what_few_readers_need_is_folded_and_whole_on_paper(tmp_path):
    """Tables that repeat a chart open by key or click; each says what it holds, and print shows it open."""
    _, page = written(tmp_path, make_finished(tmp_path))
    assert len(page.all("details")) == len(page.all("summary")) > 3
    assert not any("open" in attributes for attributes in page.all("details"))
    assert "Confusion matrix: rows are the true class, columns what the candidate said" in page.texts["summary"]
    paper = page.text("style").split("@media print")[-1]
    assert "details::details-content { content-visibility: visible; block-size: auto; }" in paper


# --- the copy and the registry --------------------------------------------------------------------------------------


def _write(project, identity):
    write_reports(make_config(project), Experiment(project / "experiments" / identity))


def test_the_copy_is_named_by_day_and_the_same_run_replaces_its_own(tmp_path):
    """The first run of a day takes the plain name, the next -2; writing again takes no new name."""
    for identity in ("exp_20261123_051530", "exp_20261123_061530"):
        make_finished(tmp_path, make_run(identity))
        _write(tmp_path, identity)
    _write(tmp_path, "exp_20261123_051530")
    folder = tmp_path / ".claude/reports/implementation"
    assert sorted(file.name for file in folder.iterdir()) == ["ml-run-2026-11-23-2.md", "ml-run-2026-11-23.md"]
    first = (folder / "ml-run-2026-11-23.md").read_text("utf-8")
    assert first.startswith("<!-- written by ml-run for exp_20261123_051530 -->\n\n# Report of the run: first try\n")
    registry = (tmp_path / ".claude/reports/_registry.md").read_text("utf-8")
    assert [line.split(" | ")[0] for line in registry.splitlines() if "implementation" in line] == [
        "| [ml-run-2026-11-23.md](implementation/ml-run-2026-11-23.md)",
        "| [ml-run-2026-11-23-2.md](implementation/ml-run-2026-11-23-2.md)",
    ]


def test_a_report_that_is_not_ours_is_never_overwritten(tmp_path):
    """A file of that name written by a person keeps its content."""
    theirs = tmp_path / ".claude/reports/implementation/ml-run-2026-11-23.md"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine\n", "utf-8")
    make_finished(tmp_path)
    _write(tmp_path, "exp_20261123_051530")
    assert theirs.read_text("utf-8") == "mine\n"
    assert theirs.with_name("ml-run-2026-11-23-2.md").exists()


def test_runs_that_end_together_lose_no_report_and_no_line(tmp_path):
    """Eight processes at once: eight copies, eight lines."""
    names = [f"exp_20261123_05153{number}" for number in range(8)]
    for name in names:
        make_finished(tmp_path, make_run(name))
    processes = [get_context("fork").Process(target=_write, args=(tmp_path, name)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 8
    copies = list((tmp_path / ".claude/reports/implementation").glob("ml-run-*.md"))
    owners = {copy.read_text("utf-8").splitlines()[0] for copy in copies}
    registry = (tmp_path / ".claude/reports/_registry.md").read_text("utf-8")
    assert len(copies) == len(owners) == 8
    assert sum("](implementation/" in line for line in registry.splitlines()) == 8


def test_bytes_of_a_registry_that_are_no_utf8_survive(tmp_path):
    """The registry is the user's file, whatever wrote it."""
    registry = tmp_path / ".claude/reports/_registry.md"
    registry.parent.mkdir(parents=True)
    registry.write_bytes(b"# R\xe9sum\xe9\n\n- old | Active | caf\xe9\n")
    make_finished(tmp_path)
    _write(tmp_path, "exp_20261123_051530")
    content = registry.read_bytes()
    assert content.startswith(b"# R\xe9sum\xe9\n\n- old | Active | caf\xe9\n- ml-run-2026-11-23 | PASS | first try: ")


def test_reports_path_moves_copy_and_registry(tmp_path):
    """`reports.path` is obeyed; nothing is written under .claude then."""
    make_finished(tmp_path)
    config = make_config(tmp_path, reports={"path": "out/reports"})
    write_reports(config, Experiment(tmp_path / "experiments/exp_20261123_051530"))
    assert (tmp_path / "out/reports/implementation/ml-run-2026-11-23.md").exists()
    assert not (tmp_path / ".claude").exists()


def test_a_copy_that_cannot_be_written_leaves_the_report_whole(tmp_path, caplog):
    """A verdict is not lost because a folder of reports is in the way."""
    (tmp_path / ".claude").write_text("a file", "utf-8")
    experiment = make_finished(tmp_path)
    with caplog.at_level("WARNING", "ml_run"):
        assert write_reports(make_config(tmp_path), experiment) == experiment.report_html
    assert experiment.report_md.exists()
    assert "the report could not be copied" in caplog.text


def test_pictures_are_found_from_both_places(tmp_path):
    """Links to figures lead to files, from the report and from its copy."""
    experiment = make_finished(tmp_path)
    _write(tmp_path, experiment.id)
    for file in (experiment.report_md, tmp_path / ".claude/reports/implementation/ml-run-2026-11-23.md"):
        links = re.findall(r"!\[[^]]+\]\(([^)]+)\)", file.read_text("utf-8"))
        assert len(links) == 5
        assert all((file.parent / link).resolve().is_file() for link in links)
