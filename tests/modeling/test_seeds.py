import pytest

from ml_run.modeling.seeds import Part, mean_and_sd, median, runs
from ml_run.results import TrainedModel


def model(seed, score):
    return TrainedModel(
        base="scratch:tiny", base_revision=None, labels=("a", "b"), max_length=32, parameters=1, digest=f"d{seed}",
        best_epoch=1, best_val_macro_f1=score, global_step=4, max_steps=4, stopped_early=False, curve=(),
        class_weights=None, seed=seed, device="cpu", seconds=seed, peak_memory_mb=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({1: 0.9, 2: 0.5, 3: 0.7}, 3),
        ({1: 0.9, 2: 0.5, 3: 0.7, 4: 0.8}, 3),
        ({7: 0.6, 2: 0.6, 5: 0.6}, 5),
        ({1: 0.3, 2: 0.4}, 1),
        ({1: None, 2: 0.4, 3: 0.5}, 2),
    ],
)
def test_the_median_is_the_one_in_the_middle_and_never_the_better_of_two(scores, chosen):
    """Never the best: of two in the middle the worse, of equals the middle seed, undefined counts as nothing."""
    assert median([model(seed, score) for seed, score in scores.items()]).seed == chosen


def test_what_is_kept_of_each_training():
    """The record tells each seed with its own score, in the order they were trained."""
    kept = runs([model(3, 0.5), model(1, 0.7)])
    assert [(run.seed, run.best_val_macro_f1, run.digest, run.seconds) for run in kept] == [
        (3, 0.5, "d3", 3),
        (1, 0.7, "d1", 1),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5, 0.7], (0.6, 0.1414)), ([0.5, 0.6, 0.7], (0.6, 0.1)), ([0.5], None), ([0.5, None], None)],
)
def test_mean_and_standard_deviation(values, expected):
    """With n - 1, as for a sample; nothing is said of fewer than two, or where one is undefined."""
    found = mean_and_sd(values)
    assert found == (expected and pytest.approx(expected, abs=1e-4))


def test_a_part_names_itself():
    """Progress lines say which seed of how many."""
    assert str(Part(2, 3, 123)) == "seed 2 of 3 (123)"
