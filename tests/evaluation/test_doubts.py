"""Which labels are doubted: never for one witness alone."""

import numpy as np
import pytest

from ml_run.evaluation.doubts import confident, doubtful
from ml_run.evaluation.predictions import Predictions
from ml_run.evaluation.train_copies import Copy
from ml_run.splits import SplitRows

LABELS = ("health", "politics")
TRUE = [0, 0, 0, 1, 1, 1]
SURE = [0.1, 0.4, 0.95, 0.9, 0.8, 0.4]
"""Of politics, in the order of the rows: the third is the mistake to be doubted, of the last it is unsure."""


def rows():
    n = len(TRUE)
    labels = [LABELS[one] for one in TRUE]
    return SplitRows(
        ["text"] * n, labels, TRUE, ["h"] * n, ["test.csv"] * n, list(range(1, n + 1)), [None] * n, [False] * n
    )


def predictions(name="candidate", politics=SURE, *, soft=True):
    second = np.array(politics)
    both = np.column_stack([1 - second, second])
    return Predictions(name, both.argmax(1), both if soft else None)


def doubted(*others, candidate=None, copies=None):
    return [(one.row, one.why) for one in doubtful(rows(), LABELS, candidate or predictions(), others, copies or {})]


def test_confident_is_as_sure_as_on_the_rows_of_the_label():
    """politics: mean of .9, .8 and .4 is .7; health: mean of .9, .6 and .05 is .517."""
    assert confident(predictions(), np.array(TRUE)).tolist() == [True, True, True, True, True, True]
    assert confident(predictions(politics=[0.1, 0.49, 0.69, 0.9, 0.8, 0.4]), np.array(TRUE)).tolist() == [
        True, False, False, True, True, True,
    ]  # fmt: skip


def test_a_model_alone_doubts_no_label():
    """However sure it is; and one that says the same without being sure is no witness."""
    assert doubted() == []
    assert doubted(predictions("linear", [0.1, 0.4, 0.55, 0.9, 0.8, 0.4])) == []
    assert doubted(predictions("majority", soft=False)) == []


def test_two_sure_models_doubt_a_label():
    """The reason names both answers; more witnesses come first."""
    politics = "the model is sure of politics (95.0 %, this label 5.0 %)"
    assert doubted(predictions("linear"))[0] == (2, f"{politics}, and so is the linear model")
    two = doubted(predictions("linear"), predictions("production", [0.1, 0.4, 0.95, 0.9, 0.8, 0.9]))
    assert two == [
        (2, f"{politics}, and so are the linear and production models"),
        (5, "the model is sure of health (60.0 %, this label 40.0 %), and so is the linear model"),
    ]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["politics"], "; 1 training text that says nearly the same has that label (train.csv, line 7)"),
        (
            ["politics"] * 2,
            "; 2 training texts that say nearly the same have that label (train.csv, line 7 and others)",
        ),
        (["politics", "health"], None),
        (["health"], None),
    ],
)
def test_copies_in_train_are_a_witness_if_none_has_the_rows_own_label(labels, found):
    """A text that training knows under both labels says nothing about which of them is right."""
    copies = {2: [Copy(label, "train.csv", 7) for label in labels]}
    expected = [(2, "the model is sure of politics (95.0 %, this label 5.0 %)" + found)] if found else []
    assert doubted(copies=copies) == expected


def test_without_probabilities_nothing_can_be_doubted():
    """Nobody knows how sure such a model is."""
    assert doubted(predictions("linear"), candidate=predictions(soft=False)) == []
