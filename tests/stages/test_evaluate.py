"""The evaluate stage on a real (untrained) model: who is compared with whom, on which rows, and what is left out."""

import hashlib
import logging
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import LABELS, make_rows
from finished_run import finished_run
from ml_run import files
from ml_run.config import DeploymentConfig, GateConfig
from ml_run.deployments import ProductionModel
from ml_run.errors import TrainingError
from ml_run.modeling.scoring import load_scorer
from ml_run.splits import SplitRows, read_split, write_split
from ml_run.stages.evaluate import evaluate_model
from ml_run.stages.gate import decide


@pytest.fixture
def run(tmp_path):
    return with_rows(finished_run(tmp_path))


def with_rows(run, test=90):
    for seed, (name, count) in enumerate({"train": 60, "test": test, "val": 45}.items()):
        write(run, name, make_rows(count, seed + 10))
    return run


def write(run, name, rows):
    write_split(
        run.experiment.split(name),
        SplitRows(
            texts=[row["text"] for row in rows],
            labels=[row["label"] for row in rows],
            label_ids=[LABELS.index(row["label"]) for row in rows],
            hashes=[hashlib.sha256(row["text"].encode()).hexdigest()[:32] for row in rows],
            files=[f"{name}.jsonl"] * len(rows),
            lines=list(range(1, len(rows) + 1)),
            groups=[None] * len(rows),
            leaked=[row.get("leaked", False) for row in rows],
        ),
    )


def evaluate(run, production=None, **changes):
    return evaluate_model(replace(run, **changes).config, run.experiment, run.data, run.model, production)


def in_production(run, change=None, labels=None, known=()):
    """A sealed copy of the run's model as production; `change` edits the model, `known` are rows it was trained on."""
    folder = run.experiment.project / "experiments/deployments/7"
    shutil.copytree(run.experiment.model, folder)
    scorer = load_scorer(folder, device="cpu")
    if change is not None:
        change(scorer.model)
    if labels is not None:
        scorer.model.config.id2label = dict(enumerate(labels))
        scorer.model.config.label2id = {label: number for number, label in enumerate(labels)}
    scorer.model.save_pretrained(folder)
    (folder / "train_rows.txt").write_text("".join(f"{row}\n" for row in known))
    files.seal_folder(folder)
    return ProductionModel("7", folder)


def against(evaluation, name):
    return next(c for c in evaluation.comparisons if c.against == name)


def test_candidate_and_baselines_are_scored_on_the_test_rows(run):
    """One line per test row is kept; accuracy is what those lines say; the verdict's model is named by its digest."""
    found = evaluate(run)
    rows = pq.read_table(run.experiment.predictions).to_pydict()
    assert (found.n, len(rows["row"]), found.labels) == (90, 90, LABELS)
    assert found.candidate.accuracy.value == pytest.approx(sum(rows["correct"]) / 90)
    assert [a == b for a, b in zip(rows["label"], rows["predicted"], strict=True)] == rows["correct"]
    assert np.sum([rows[f"p_{label}"] for label in LABELS], axis=0) == pytest.approx(1)
    assert [b.name for b in found.baselines] == ["majority", "linear"]
    assert found.baselines[0].accuracy.value == pytest.approx(1 / 3)
    assert found.baselines[1].accuracy.value > 0.9
    assert [c.against for c in found.comparisons] == ["majority", "linear"]
    assert found.model_digest == run.model.digest == files.folder_digest(run.experiment.model)
    assert (found.production, found.production_version, found.candidate_without_leaks) == (None, None, None)


def test_evaluating_again_gives_the_same_scores(run):
    """All intervals are seeded by data and model: two evaluations differ in latency only."""
    clock = {"latency_ms_p50": None, "latency_ms_p95": None}
    assert evaluate(run).model_copy(update=clock) == evaluate(run).model_copy(update=clock)


def test_production_with_its_labels_in_another_order_is_the_same_model(run):
    """Classes are matched by name: rows of the head exchanged with their names change no prediction."""
    order = [2, 0, 1]

    def permute(model):
        head = model.classifier.out_proj
        head.weight.data, head.bias.data = head.weight.data[order], head.bias.data[order]

    found = evaluate(run, in_production(run, permute, [LABELS[i] for i in order]))
    assert found.production.confusion == found.candidate.confusion
    assert found.production.log_loss == pytest.approx(found.candidate.log_loss, abs=1e-6)
    comparison = against(found, "production")
    assert comparison.macro_f1_difference.value == 0.0
    assert comparison.macro_f1_difference.low < 0.0 < comparison.macro_f1_difference.high
    assert found.production_version == "7"


def test_r30_the_model_that_is_in_production_is_never_better_than_itself(run):
    """A candidate that is production, file by file, differs from it by exactly 0, on whatever rows."""
    folder = run.experiment.project / "experiments/deployments/8"
    shutil.copytree(run.experiment.model, folder)
    found = evaluate(run, ProductionModel("8", folder))
    difference = against(found, "production").macro_f1_difference
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    asked = GateConfig(max_regression=0.0, min_improvement=0.0)
    verdict = decide(found, asked, DeploymentConfig(min_accuracy=None, min_f1=None))
    assert [c.verdict for c in verdict.criteria] == ["PASS", "FAIL"]


def test_r31_each_model_that_is_judged_is_a_look_and_makes_the_next_stricter(run):
    """Judging a model again is the same look; another model on the same rows is the next, at a higher level."""
    first = evaluate(run).look
    assert evaluate(run).look == first
    other = replace(run, model=run.model.model_copy(update={"digest": "0" * 64}))
    second = evaluate(other, in_production(run, known=[]))
    assert (second.look.number, second.look.test_set) == (first.number + 1, first.test_set)
    assert second.look.level > first.level
    assert {c.look for c in second.comparisons} == {second.look.number}
    assert {c.level for c in second.comparisons} == {second.look.level}


def test_a_label_only_production_knows_is_a_mistake_and_its_probabilities_are_not_compared(run):
    """Whatever production calls by an unknown name is wrong; its log loss over other classes is undefined."""

    def always_last(model):
        model.classifier.out_proj.weight.data.zero_()
        model.classifier.out_proj.bias.data[:] = model.classifier.out_proj.bias.data.new_tensor([0.0, 0.0, 9.0])

    found = evaluate(run, in_production(run, always_last, [*LABELS[:2], "Eastern"]))
    assert found.production.accuracy.value == 0
    assert found.production.macro_f1.value == 0
    assert (found.production.log_loss, found.production.ece) == (None, None)
    assert sum(sum(row) for row in found.production.confusion) == 0
    assert against(found, "production").accuracy_difference.value == pytest.approx(found.candidate.accuracy.value)


def test_rows_production_was_trained_on_are_left_out_and_counted(run):
    """20 of 90 test rows are known to production: the difference is over the other 70, its scores over all."""
    known = read_split(run.experiment.split("test")).hashes[:20]
    found = evaluate(run, in_production(run, known=known))
    comparison = against(found, "production")
    assert (comparison.n, comparison.excluded, comparison.note) == (70, 20, "")
    assert (found.production.n, against(found, "linear").n, against(found, "linear").excluded) == (90, 90, 0)


def test_a_class_known_to_production_altogether_leaves_nothing_to_compare(run):
    """When leaving out rows takes a whole class away, macro-F1 over the others is another score: INCONCLUSIVE."""
    test = read_split(run.experiment.split("test"))
    known = [row for row, label in zip(test.hashes, test.labels, strict=True) if label == "Southern"]
    found = evaluate(run, in_production(run, known=known))
    comparison = against(found, "production")
    assert comparison.note == (
        "no test rows of Southern are left to compare two models on; 30 were left out because production was trained on"
        " them"
    )
    assert (comparison.macro_f1_difference.value, comparison.accuracy_difference.value) == (None, None)
    verdict = decide(found, GateConfig(max_regression=0.02), DeploymentConfig(min_accuracy=0.0, min_f1=None))
    assert (verdict.overall, verdict.criteria[-1].reason) == ("INCONCLUSIVE", comparison.note)


def test_too_few_rows_are_not_compared(run):
    """Below 50 rows a difference says nothing, and the note says how many there are."""
    with_rows(run, test=48)
    found = evaluate(run)
    assert {c.note for c in found.comparisons} == {"48 test rows are too few to compare two models, 50 are needed"}
    assert all(c.macro_f1_difference.value is None for c in found.comparisons)
    assert found.candidate.macro_f1.value is not None


def test_scores_that_are_no_numbers_are_never_counted(run):
    """A candidate that gives NaN ends the stage; it is not taken for one that says the first class."""
    production = in_production(run, lambda model: model.classifier.out_proj.bias.data.fill_(float("nan")))
    shutil.rmtree(run.experiment.model)
    production.folder.rename(run.experiment.model)
    run.experiment.predictions.unlink()
    with pytest.raises(
        TrainingError, match="the candidate model gives scores that are no numbers for 90 of 90 test rows"
    ):
        evaluate(run)
    assert not run.experiment.predictions.exists()


def test_production_that_gives_no_numbers_or_is_damaged_is_not_scored(run, caplog, monkeypatch):
    """The candidate is still judged; a criterion against production is INCONCLUSIVE."""
    monkeypatch.setattr(logging.getLogger("ml_run"), "propagate", True)
    production = in_production(run, lambda model: model.classifier.out_proj.bias.data.fill_(float("nan")))
    with caplog.at_level(logging.WARNING, "ml_run"):
        found = evaluate(run, production)
    assert (found.production, found.production_version) == (None, "7")
    assert [c.against for c in found.comparisons] == ["majority", "linear"]
    assert "production version 7 cannot be scored: the production model gives scores that are no numbers" in caplog.text
    (production.folder / "config.json").write_text("{}")
    assert evaluate(run, production).production is None
    verdict = decide(found, GateConfig(max_regression=0.02), DeploymentConfig(min_accuracy=0.0, min_f1=None))
    assert verdict.overall == "INCONCLUSIVE"


def test_kept_leaks_are_scored_with_and_without(run):
    """data.leaks keep: beside all rows, the scores on those that were not leaked; with another answer, none."""
    rows = make_rows(90, 11)
    write(run, "test", [*(row | {"leaked": True} for row in rows[:30]), *rows[30:]])
    keep = run.config.model_copy(update={"data": run.config.data.model_copy(update={"leaks": "keep"})})
    found = evaluate(run, config=keep)
    assert (found.candidate.n, found.candidate_without_leaks.n) == (90, 60)
    assert [c.support for c in found.candidate_without_leaks.classes] == [20, 20, 20]
    assert found.candidate_without_leaks.name == "candidate"
    assert evaluate(run).candidate_without_leaks is None
    write(run, "test", [row | {"leaked": True} for row in rows])
    nothing = evaluate(run, config=keep)
    assert (nothing.candidate_without_leaks.n, nothing.candidate_without_leaks.macro_f1.value) == (0, None)
    assert decide(nothing, GateConfig(), DeploymentConfig(min_accuracy=0.0, min_f1=0.0)).overall == "INCONCLUSIVE"
