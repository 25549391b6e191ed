"""The result as Markdown for a job's page and for a comment."""

import pytest

from junit_schema import criterion, result
from ml_run.conclusion import shortened
from ml_run.errors import ConfigError, UsageError
from ml_run.reporting.step_summary import markdown_of_error, markdown_of_result
from ml_run.results import Deployment, Estimate, Registration, RunError

LONGEST_COMMENT = 65_536


def judged(**values):
    half = Estimate(value=0.75, low=0.6, high=0.85)
    scores = {"accuracy": half, "macro_f1": half.model_copy(update={"low": None, "high": None}), "weighted_f1": half}
    given = {
        "verdict": "PASS", "reason": "the criterion is met", "scores": {"candidate": scores}, "n_test": 60,
        "deployment": Deployment(action="awaiting", reason="auto_deploy is false"), "next_step": "ml-run deploy exp_1",
        "report": "experiments/exp_1/report.html", "seconds": 12.34,
    }  # fmt: skip
    return result(criterion("min_f1"), **(given | values))


def test_the_whole_text_of_a_pass(monkeypatch):
    """Decision first, why, what was done; the criteria; the scores; what to do next; where the report is."""
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    assert markdown_of_result(judged()) == (
        "## ml-run: PASS\n\n"
        "**The model meets every criterion that was set for it.** The criterion is met.\n\n"
        "**Awaiting:** auto_deploy is false.\n\n"
        "*Criteria*\n\n"
        "| criterion | value | interval | needed | n | verdict |\n"
        "| --- | ---: | ---: | ---: | ---: | --- |\n"
        "| min_f1 | 0.750 | 0.600–0.850 | >= 0.8 | 1,234 | PASS |\n\n"
        "*Scores on 60 test rows, with 95 % intervals*\n\n"
        "| model | accuracy | macro-F1 |\n"
        "| --- | ---: | ---: |\n"
        "| candidate | 0.750 [0.600, 0.850] | 0.750 – |\n\n"
        "**Next:** `ml-run deploy exp_1`\n\n"
        "Run `exp_1` · one · 12.3 s · report: `experiments/exp_1/report.html`\n"
    )


@pytest.mark.parametrize(
    ("values", "heading"),
    [
        ({"verdict": "FAIL"}, "FAIL"),
        ({"verdict": "INCONCLUSIVE"}, "INCONCLUSIVE"),
        ({"readiness": "not ready", "error": RunError(found="x", where="", remedy="", stage="data")}, "NOT READY"),
        ({"error": RunError(found="x", where="", remedy="", stage="train")}, "ERROR"),
        ({"status": "interrupted", "error": RunError(found="x", where="", remedy="", stage="train")}, "INTERRUPTED"),
        ({"stages": {"data": "finished"}}, "NO VERDICT"),
    ],
)
def test_the_first_line_is_the_decision(values, heading):
    """Whatever came of the run, its first line says it in one word, the word that the report opens with."""
    assert markdown_of_result(result(**values)).startswith(f"## ml-run: {heading}\n\n")


def test_what_went_wrong_is_told_and_passwords_are_not():
    """An error and a store that was away are told in a sentence each; an address shows no password."""
    registration = Registration(
        status="pending", tracking_uri="x", model_name="m", reason="postgresql://me:hunter22@host/db is away"
    )
    error = RunError(found="loss is\nNaN", where="step 7", remedy="lower it", stage="train", kind="non_finite")
    text = markdown_of_result(judged(registration=registration, error=error, synthetic=True, next_step="lower it"))
    assert "**The run ended in the stage train:** `step 7`: Loss is NaN.\n" in text
    assert "**Not recorded in the tracking store yet:** " in text
    assert "hunter22" not in text
    assert "> **SYNTHETIC data: " in text
    assert "**Next:** Lower it.\n" in text


def test_it_links_to_the_artefacts_where_github_says_where_they_are(monkeypatch):
    """On GitHub the text leads to the page with the report; an address that is none makes no link."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "somali-nlp/dialects")
    monkeypatch.setenv("GITHUB_RUN_ID", "123")
    page = "https://github.com/somali-nlp/dialects/actions/runs/123#artifacts"
    assert markdown_of_result(judged()).endswith(f" ([artefacts of this job]({page}))\n")
    monkeypatch.setenv("GITHUB_RUN_ID", "1) <script>")
    assert "artefacts" not in markdown_of_result(judged())


def test_words_of_the_user_stay_words():
    """A label or a name with markup, a link or a mention is shown, not obeyed."""
    text = markdown_of_result(judged(name="<img src=x> @everyone [x](javascript:1)", reason="`|a|` \x1b[31m"))
    assert "<img" not in text
    assert "\\@everyone \\[x](javascript:1)" in text
    assert "\x1b" not in text


def test_faults_before_a_run_are_listed():
    """A config that is not valid: each fault with its place and what to do, the first twenty."""
    faults = [UsageError(f"fault {n}", where=f"ml_config.yaml:{n}", remedy="mend it") for n in range(25)]
    text = markdown_of_error(ConfigError(faults), 2)
    assert text.startswith(
        "## ml-run: ERROR\n\nNothing was run (exit code 2).\n\n- `ml_config.yaml:0`: Fault 0. **What"
    )
    assert text.count("\n- ") == 21
    assert text.endswith("\n- … and 5 faults more\n")


def test_a_comment_can_hold_it_whatever_the_run(monkeypatch):
    """GitHub refuses comments over 65,536 characters: the longest result that is printed stays under it."""
    monkeypatch.setenv("GITHUB_RUN_ID", "1")
    many = [criterion(f"min_class_f1[{'`|<' * 20}{n}]", "FAIL", "|" * 700) for n in range(300)]
    long = shortened(result(*many, verdict="FAIL", reason="`<|" * 3000, next_step="<" * 5000))
    text = markdown_of_result(long)
    assert len(text) < LONGEST_COMMENT / 2
    assert f"*Criteria; {long.criteria_omitted} more are in the report*" in text
