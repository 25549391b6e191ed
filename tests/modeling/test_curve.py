import pytest

from ml_run.modeling.curve import best_epoch, has_collapsed, is_dead, patience_is_spent, read_curve


def history(*scores):
    """A log history with two loss entries and one evaluation an epoch of 10 steps."""
    entries = []
    for number, score in enumerate(scores):
        start = 10 * number
        entries += [
            {"loss": 1.0, "step": start + 1, "epoch": 0.1},
            {"loss": 0.5, "step": start + 10, "epoch": 1.0},
            {
                "eval_macro_f1": score,
                "eval_accuracy": score,
                "eval_log_loss": 1 - score,
                "step": start + 10,
                "epoch": number + 1.0,
            },
        ]
    return entries


def test_the_train_loss_of_an_epoch_is_the_mean_over_its_steps():
    """Logged losses are means over unequal numbers of steps: one step of 1.0 and nine of 0.5."""
    rows = read_curve(history(0.4, 0.6))
    assert [(row.epoch, row.step, row.train_loss) for row in rows] == [(1.0, 10, 0.55), (2.0, 20, 0.55)]
    assert [row.val_loss for row in rows] == [0.6, 0.4]


def test_an_unfinished_epoch_is_not_on_the_curve():
    """A checkpoint within the first epoch has no curve and no best epoch."""
    rows = read_curve([{"loss": 1.0, "step": 3, "epoch": 0.3}])
    assert rows == ()
    assert best_epoch(rows) is None
    assert not patience_is_spent(rows, 1)


def test_the_best_epoch_is_the_first_of_equals():
    """A tie goes to the model that was trained less."""
    assert best_epoch(read_curve(history(0.2, 0.7, 0.7, 0.1))).epoch == 2


@pytest.mark.parametrize(
    ("scores", "patience", "spent"),
    [
        ((0.5, 0.5), 1, True),
        ((0.5, 0.6), 1, False),
        ((0.5, 0.4, 0.4), 3, False),
        ((0.5, 0.4, 0.4, 0.5), 3, True),
        ((0.5, 0.4, 0.6, 0.1), 2, False),
        ((0.5, 0.4, 0.3, 0.2), 0, False),
    ],
)
def test_patience_counts_the_epochs_without_a_better_score(scores, patience, spent):
    """Training stops after `patience` epochs that were not better than the best before them; 0 means never."""
    assert patience_is_spent(read_curve(history(*scores)), patience) is spent


def evaluations(*found):
    """A log history of evaluations every 10 steps, each (rows predicted of each class, spread of the logits)."""
    return [
        {"eval_macro_f1": 0.2, "eval_predicted": predicted, "eval_spread": spread, "step": 10 * number}
        for number, (predicted, spread) in enumerate(found, start=1)
    ]


ONE_CLASS, TWO_CLASSES = [0, 30], [10, 20]


@pytest.mark.parametrize(
    ("predicted", "spread", "dead"),
    [
        (ONE_CLASS, 3e-5, True),
        (ONE_CLASS, 7e-3, False),
        (TWO_CLASSES, 3e-5, False),
        ([0, 9], 0.0, False),
        (ONE_CLASS, float("nan"), False),
    ],
)
def test_a_dead_network_gives_all_rows_the_same_logits(predicted, spread, dead):
    """One class alone proves nothing, nor do a handful of rows: a model that has not learnt yet does the same."""
    assert is_dead(evaluations((predicted, spread))[0]) is dead


@pytest.mark.parametrize(
    ("found", "max_steps", "collapsed"),
    [
        ([(ONE_CLASS, 1e-6)], 10, False),
        ([(ONE_CLASS, 3e-4), (ONE_CLASS, 1e-6)], 50, True),
        ([(ONE_CLASS, 1e-6), (ONE_CLASS, 1e-6)], 51, False),
        ([(TWO_CLASSES, 0.2), (ONE_CLASS, 1e-6)], 50, False),
        ([(ONE_CLASS, 1e-6), (ONE_CLASS, 1e-2)], 50, False),
        ([(ONE_CLASS, 1e-2)] * 4, 40, False),
    ],
)
def test_a_training_has_collapsed_when_it_is_dead_and_never_was_of_use(found, max_steps, collapsed):
    """Not before the second evaluation and two fifths of all steps, not while rows differ, not after good epochs."""
    assert has_collapsed(evaluations(*found), max_steps) is collapsed
