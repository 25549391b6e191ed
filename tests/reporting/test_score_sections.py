"""What the report says of scores side by side."""

from ml_run.config import Config
from ml_run.reporting import markdown
from ml_run.reporting.document import Table
from ml_run.reporting.score_sections import score_evidence
from report_sample import LABELS, make_evaluation

CONFIG = Config.model_validate({"data": {"train_path": "a.jsonl"}, "model": {"name": "linear"}})


def tables(evaluation):
    return [markdown.content(piece) for piece in score_evidence(CONFIG, evaluation) if isinstance(piece, Table)]


def test_a_difference_stands_with_its_level_its_test_and_what_got_worse():
    """Intervals at the level of the look, McNemar's p, and the warnings of the comparison are all in the table."""
    found = make_evaluation(LABELS, production=0.8)
    lost = "recall is lower by more than 0.06, beyond chance, in Northern (by 0.210)"
    told = [c.model_copy(update={"level": 0.9392, "p_value": 0.0123, "warnings": (lost,)}) for c in found.comparisons]
    models, differences, *_ = tables(found.model_copy(update={"comparisons": tuple(told)}))
    assert "with 93.92 % intervals: one that holds 0 can be chance. p: McNemar" in differences
    assert "| 0.012 |" in differences
    assert "Recall is lower by more than 0.06, beyond chance, in Northern (by 0.210)." in differences
    assert "| MCC | Log loss | Brier | ECE | n |" in models


def test_a_p_value_is_never_called_zero():
    """What rounds to nothing is said to be below a thousandth."""
    found = make_evaluation(LABELS)
    told = [c.model_copy(update={"p_value": 0.0004}) for c in found.comparisons]
    assert "| < 0.001 |" in tables(found.model_copy(update={"comparisons": tuple(told)}))[1].replace("&lt;", "<")
