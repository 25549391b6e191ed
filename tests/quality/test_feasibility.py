import numpy as np
import pytest

from ml_run.config import Config
from ml_run.quality.f1_boundaries import F1Boundaries, _evenly_wrong
from ml_run.quality.feasibility import check_feasibility
from ml_run.quality.rules import Checks
from ml_run.results import ClassScores, Comparison, Estimate, Evaluation, ModelScores
from ml_run.stages.gate import decide
from ml_run.statistics import f1_intervals, wilson

SOMALI = {"business": 23, "health": 70, "religion": 15, "sports": 41}


def config_of(deployment=None, **gate):
    return Config(
        data={"train_path": "train.jsonl"}, model={"name": "scratch:tiny"}, gate=gate, deployment=deployment or {}
    )


def look(support, deployment=None, **gate):
    return check_feasibility(config_of(deployment, **gate), {"test": support}, Checks())


def evaluation_of(matrix, seed=5):
    """What the evaluate stage says of a model with these counts [k, k + 1], with the intervals that it computes."""
    matrix = np.asarray(matrix)
    support, n = matrix.sum(1), int(matrix.sum())
    macro, weighted, f1 = f1_intervals(matrix, seed=seed)
    classes = tuple(
        ClassScores(
            label="ABCDEFGH"[c],
            support=int(support[c]),
            precision=wilson(int(matrix[c, c]), int(matrix[:, c].sum())),
            recall=wilson(int(matrix[c, c]), int(support[c])),
            f1=f1[c],
        )
        for c in range(len(matrix))
    )
    scores = ModelScores(
        name="candidate", n=n, accuracy=wilson(int(matrix.diagonal().sum()), n), macro_f1=macro, weighted_f1=weighted,
        log_loss=0.1, ece=0.01, classes=classes, confusion=tuple(map(tuple, matrix[:, :-1].tolist())),
    )  # fmt: skip
    return Evaluation(
        labels=tuple(c.label for c in classes), n=n, candidate=scores, baselines=(), production=None,
        production_version=None, comparisons=(), latency_ms_p50=1.0, latency_ms_p95=2.0,
    )  # fmt: skip


def judged(config, matrix):
    verdict = decide(evaluation_of(matrix), config.gate, config.deployment)
    return {result.name: result.verdict for result in verdict.criteria}


def binary(rows_a, wrong_a, rows_b, wrong_b=0):
    return [[rows_a - wrong_a, wrong_a, 0], [wrong_b, rows_b - wrong_b, 0]]


# --- what the finding says ------------------------------------------------------------------------------------------


def test_a_class_below_min_support_is_named_with_the_rows_it_needs():
    """15 rows cannot settle min_class_recall 0.7: said before training, worst class first, one sentence a class."""
    [found], records = look(SOMALI, min_class_recall=0.7)
    assert (found.rule, found.severity, found.count) == ("gate_undecidable", "warning", 2)
    assert found.message == (
        "15 test rows of religion cannot settle min_class_recall 0.7: 30 would do (gate.min_support); "
        "23 test rows of business cannot settle min_class_recall 0.7: 30 would do (gate.min_support)"
    )
    assert [example.label for example in found.examples] == ["religion", "business"]
    assert {r.label: (r.n, r.decidable, r.n_needed) for r in records} == {
        "business": (23, False, 30),
        "health": (70, True, 625),
        "religion": (15, False, 30),
        "sports": (41, True, 625),
    }


def test_as_many_rows_as_min_support_are_enough():
    """30 rows of a class with min_support 30 are decided by the gate, so nothing is said of them; 29 are not."""
    for rows in (29, 30):
        config = config_of(min_class_recall=0.7)
        findings, _ = check_feasibility(config, {"test": {"A": rows, "B": 60}}, Checks())
        undecided = judged(config, binary(rows, 0, 60))["min_class_recall[A]"] == "INCONCLUSIVE"
        assert bool(findings) is undecided is (rows == 29)


def test_criteria_of_one_class_share_a_sentence():
    """Two criteria that the same rows would settle are one sentence, not two."""
    [found], _ = look({"A": 40, "B": 12}, min_class_recall=0.7, min_class_f1=0.75)
    assert found.message == "12 test rows of B cannot settle min_class_f1 0.75 and min_class_recall 0.7: 30 would do"
    [found], _ = look({"A": 40, "B": 12}, min_class_recall=0.95, min_class_f1=0.75, decide_on="lower_bound")
    assert "12 test rows of B cannot settle min_class_recall 0.95 (73 would do) and min_class_f1 0.75 (30" in (
        found.message
    )


def test_without_criteria_nothing_is_said():
    """The config check warns of a gate without criteria; the data has no part in it."""
    assert look(SOMALI) == ([], ())
    assert look({"A": 5, "B": 0}) == ([], ())


def test_under_point_wide_intervals_are_told_but_are_no_warning():
    """60 rows decide min_accuracy 0.5 by the value; the record says how little that is."""
    findings, (accuracy, f1) = look({"A": 20, "B": 20, "C": 20}, {"min_accuracy": 0.5, "min_f1": 0.5})
    assert findings == []
    assert (accuracy.criterion, accuracy.decidable, accuracy.needed, accuracy.n_needed) == (
        "min_accuracy", True, 0.5, 773
    )  # fmt: skip
    assert accuracy.message == (
        "accuracy 0.5 on 60 test rows has the 95 % interval [0.377, 0.623]; to tell a model 0.05 better from one at "
        "0.5 takes about 773 rows"
    )
    assert f1.decidable
    assert f1.message.startswith("macro-F1 0.5 on 60 test rows has the 95 % interval [0.3")


def test_a_class_without_test_rows_means_no_pass():
    """The gate is INCONCLUSIVE as a whole then, whatever the accuracy; said first."""
    [found], records = look({"A": 40, "B": 0}, {"min_accuracy": 0.8, "min_f1": 0.7})
    assert found.message == (
        "without test rows of B no verdict can be PASS; macro-F1 is undefined without test rows of B, so min_f1 "
        "cannot be decided"
    )
    assert [r.decidable for r in records] == [True, False]


def test_the_check_can_be_turned_off():
    """With gate_undecidable off nothing is computed."""
    off = Checks({"gate_undecidable": "off"})
    assert check_feasibility(config_of(min_class_recall=0.7), {"test": SOMALI}, off) == ([], ())


def test_many_sentences_are_counted():
    """Six sentences are shown, the others counted."""
    [found], _ = look({f"c{number}": 10 + number for number in range(9)}, min_class_recall=0.7)
    assert found.message.endswith("; and 3 more")
    assert found.message.startswith("10 test rows of c0 cannot settle")
    assert found.count == 9


# --- it says what the gate will do ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "threshold"), [(20, 0.85), (21, 0.85), (22, 0.85), (23, 0.85), (72, 0.95), (73, 0.95)])
def test_no_pass_by_lower_bound_even_without_a_mistake(n, threshold):
    """Undecidable is exactly what the gate does not pass when every row is right; n_needed rows pass, one less not."""
    config = config_of({"min_accuracy": threshold}, decide_on="lower_bound")
    _, (record,) = check_feasibility(config, {"test": {"A": n - 9, "B": 9}}, Checks())
    passes = judged(config, binary(n - 9, 0, 9))["min_accuracy"] == "PASS"
    assert record.decidable == passes
    enough = record.n_needed or n
    assert judged(config, binary(enough - 9, 0, 9))["min_accuracy"] == "PASS"
    if not passes:
        assert judged(config, binary(enough - 10, 0, 9))["min_accuracy"] == "INCONCLUSIVE"


@pytest.mark.parametrize(("n", "threshold"), [(30, 0.7), (41, 0.7), (294, 0.85), (60, 0.5), (50, 0.0), (100, 0.96)])
@pytest.mark.parametrize("decide_on", ["point", "lower_bound"])
def test_needed_is_the_smallest_value_that_the_gate_passes(n, threshold, decide_on):
    """One right answer fewer than `needed` does not pass, `needed` does: for accuracy and for recall."""
    config = config_of({"min_accuracy": threshold}, decide_on=decide_on, min_class_recall=threshold, min_support=1)
    _, records = check_feasibility(config, {"test": {"A": n, "B": 0}}, Checks())
    for record in (r for r in records if r.label != "B"):
        name = "min_accuracy" if record.label is None else "min_class_recall[A]"
        wrong = n - round(record.needed * n)
        assert judged(config, binary(n, wrong, 0))[name] == "PASS"
        if wrong < n:
            assert judged(config, binary(n, wrong + 1, 0))[name] != "PASS"


def test_f1_beyond_a_model_without_mistake_is_what_the_gate_cannot_pass():
    """The gate's smoothed bootstrap leaves room below 1: what lies there cannot be reached, what lies under can."""
    support, perfect = {"A": 30, "B": 30, "C": 34}, _evenly_wrong((30, 30, 34), 0.0)
    best = F1Boundaries((30, 30, 34), 42).best()
    for threshold, reachable in ((round(best - 0.01, 3), True), (round(best + 0.01, 3), False)):
        config = config_of({"min_f1": threshold}, decide_on="lower_bound")
        findings, (record,) = check_feasibility(config, {"test": support}, Checks())
        assert record.decidable is reachable
        assert (judged(config, perfect)["min_f1"] == "PASS") is reachable
        assert bool(findings) is not reachable
    grown = tuple(int(rows * record.n_needed / 94) + 1 for rows in support.values())
    assert judged(config, _evenly_wrong(grown, 0.0))["min_f1"] == "PASS"


def test_the_f1_that_passes_is_near_what_the_gate_passes():
    """For a model that is wrong evenly, `needed` is the boundary to within .015, for macro-F1 and for one class."""
    support = (60, 50, 90)
    config = config_of({"min_f1": 0.8}, decide_on="lower_bound", min_class_f1=0.75)
    counts = {"test": dict(zip("ABC", support, strict=True))}
    needed = {(r.criterion, r.label): r.needed for r in check_feasibility(config, counts, Checks())[1]}
    seen = {key: set() for key in needed}
    for share in np.linspace(0.02, 0.3, 57):
        matrix = _evenly_wrong(support, share)
        evaluation = evaluation_of(matrix)
        scores = {"min_f1": evaluation.candidate.macro_f1.value}
        scores |= {f"min_class_f1[{c.label}]": c.f1.value for c in evaluation.candidate.classes}
        verdicts = {r.name: r.verdict for r in decide(evaluation, config.gate, config.deployment).criteria}
        for criterion, label in needed:
            name = criterion if label is None else f"{criterion}[{label}]"
            seen[criterion, label].add((scores[name], verdicts[name] == "PASS"))
    for key, boundary in needed.items():
        assert all(passed for value, passed in seen[key] if value > boundary + 0.015), key
        assert not any(passed for value, passed in seen[key] if value < boundary - 0.015), key


@pytest.mark.parametrize("n", [49, 50])
def test_comparisons_need_fifty_rows(n):
    """Below 50 rows the evaluate stage compares no two models: known before it runs."""
    findings, (record,) = look({"A": n - 20, "B": 20}, must_beat_baseline=True)
    assert record.decidable is (n == 50)
    assert bool(findings) is (n == 49)
    assert n == 50 or findings[0].message == (
        "49 test rows are too few to compare two models, as must_beat_baseline asks: 50 would do"
    )


def test_the_smallest_difference_is_told_in_macro_f1_and_accuracy():
    """294 rows show about .044 accuracy; each criterion adds its own threshold."""
    _, records = look({"A": 147, "B": 147}, must_beat_baseline=True, max_regression=0.02, min_improvement=0.01)
    assert {r.criterion: round(r.needed, 3) for r in records} == {
        "must_beat_baseline": 0.044,
        "max_regression": 0.024,
        "min_improvement": 0.054,
    }
    assert records[0].message == (
        "294 test rows show a difference between two models from about 0.044 macro-F1 (0.044 accuracy) on, and one of "
        "0.063 in 80 of 100 cases, if only one of the two is right on 15.0 % of the rows"
    )


def test_a_difference_just_above_the_smallest_passes_the_gate():
    """The paired interval of the gate agrees with the formula: 15 % discordant rows, more and less than needed."""
    from ml_run.statistics import macro_f1_difference

    n, discordant = 400, 60
    config = config_of(must_beat_baseline=True)
    _, (record,) = check_feasibility(config, {"test": {"A": 200, "B": 200}}, Checks())
    for difference, passes in ((record.needed + 0.015, True), (record.needed - 0.015, False)):
        only_new = round((discordant + difference * n) / 2 / 2)  # of each class
        only_old = discordant // 2 - only_new
        true, new, old = [], [], []
        for label in (0, 1):
            for count, a, b in ((only_new, 1, 0), (only_old, 0, 1), (200 - only_new - only_old, 1, 1)):
                true += [label] * count
                new += [label if a else 1 - label] * count
                old += [label if b else 1 - label] * count
        estimate = macro_f1_difference(true, new, old, 2, seed=3)
        comparison = Comparison(
            against="linear", n=n, excluded=0, macro_f1_difference=estimate, accuracy_difference=Estimate(value=0.0)
        )
        evaluation = evaluation_of(binary(200, 10, 200, 10)).model_copy(update={"comparisons": (comparison,)})
        [result] = decide(evaluation, config.gate, config.deployment).criteria
        assert (result.verdict == "PASS") is passes


def test_calibration_error_is_told_its_noise():
    """A perfectly calibrated model shows .03 to .07 on 294 rows; max_ece is decided by the value, so decidable."""
    findings, (record,) = look({"A": 147, "B": 147}, max_ece=0.05)
    assert findings == []
    assert (record.decidable, record.needed, record.n_needed) == (True, None, None)
    assert record.message == (
        "294 test rows show a calibration error of 0.029 to 0.070 even of a perfectly calibrated model, more the less "
        "sure it is; max_ece is 0.05"
    )


def test_a_threshold_of_one_is_never_reached_by_a_lower_bound():
    """No number of rows proves a recall of 1: the finding does not promise one."""
    [found], records = look({"A": 40, "B": 40}, min_class_recall=1.0, decide_on="lower_bound")
    assert [r.n_needed for r in records] == [None, None]
    assert "no number of rows would do" in found.message


def test_two_hundred_classes_are_judged_in_seconds():
    """The bootstrap's cost grows with the square of the classes, so many are looked at less closely."""
    support = {str(number): 40 for number in range(150)}
    findings, records = look(support, {"min_f1": 0.8}, min_class_f1=0.7, decide_on="lower_bound")
    assert findings == []
    assert len(records) == 151


def test_classes_of_one_size_need_the_same_rows():
    """A hundred small classes are one search, not a hundred: their numbers are equal, wherever they stand."""
    from ml_run.quality import f1_boundaries

    f1 = F1Boundaries((8, *[12] * 30, 8, 9), seed=1)
    f1_boundaries._rows_needed.cache_clear()
    assert f1.rows_needed(0.9, 0) == f1.rows_needed(0.9, 31) > 8
    assert len({f1.rows_needed(0.9, number) for number in range(1, 31)}) == 1
    assert f1_boundaries._rows_needed.cache_info().misses == 2
