from ml_run.config import TrainingConfig
from ml_run.reporting.attempts import attempt_rows, seed_rows
from ml_run.results import Attempt

ASKED = TrainingConfig(batch_size=16, learning_rate=0.01)
FIRST = Attempt(learning_rate=0.01, warmup_ratio=0.1, micro_batch=16, accumulation=1)


def test_a_training_that_went_well_tells_its_learning_rate():
    """One row: the peak and the warm-up."""
    assert attempt_rows([FIRST], ASKED) == [["Learning rate", "0.01 at its peak, warm-up over 10.0 % of the steps"]]
    assert attempt_rows([], ASKED) == []


def test_what_was_given_up_and_smaller_portions_are_told():
    """The report says what was tried before, why it failed, and how the step was divided."""
    failed = FIRST.model_copy(update={"failure": "training collapsed: at step 8 of 16"})
    now = Attempt(learning_rate=0.002, warmup_ratio=0.2, micro_batch=4, accumulation=4)
    assert attempt_rows([failed, now], ASKED) == [
        ["Learning rate", "0.002 at its peak, warm-up over 20.0 % of the steps"],
        ["Given up: learning rate 0.01", "Training collapsed: at step 8 of 16."],
        ["Rows in memory", "4 at once, 4 times a step: memory ran out with more"],
    ]


def test_a_model_of_one_seed_among_several_says_so():
    """The model card of a median names the seeds it was chosen from."""
    assert seed_rows(ASKED) == []
    (row,) = seed_rows(TrainingConfig(seeds=(42, 123, 456)))
    assert row == [
        "Seeds",
        "one model each of 42, 123 and 456; the median of them by validation macro-F1 is the candidate",
    ]
