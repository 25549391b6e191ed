"""What the candidate gets wrong, sorted: counts and rows by hand."""

import numpy as np

from ml_run.evaluation.mistakes import find_mistakes
from ml_run.evaluation.predictions import Predictions
from ml_run.results import ConfusedPair, Mistake, Mistakes
from ml_run.splits import SplitRows

LABELS = ("Central", "Northern", "Southern")


def rows(true, texts=None):
    n = len(true)
    texts = texts or [f"text {row}" for row in range(n)]
    return SplitRows(
        texts, [LABELS[one] for one in true], true, ["h"] * n, ["test.csv"] * n, [row + 2 for row in range(n)],
        [None] * n, [False] * n,
    )  # fmt: skip


def hard(name, ids):
    return Predictions(name, np.array(ids, np.int64))


def soft(name, ids, sure):
    """Predictions with `sure` for the predicted label, and the rest shared by the other two."""
    table = np.repeat((1 - np.array(sure, float))[:, None] / 2, 3, axis=1)
    table[np.arange(len(ids)), ids] = sure
    return Predictions(name, np.array(ids, np.int64), table)


def test_a_mistake_says_where_it_stands_what_was_said_and_who_knew_better():
    """File, line, text, both labels with their probabilities, and the models that got it right."""
    candidate = soft("candidate", [0, 2], [0.9, 0.8])
    others = [hard("majority", [0, 0]), soft("linear", [0, 1], [0.6, 0.6]), hard("production", [1, 1])]
    found = find_mistakes(rows([0, 1]), LABELS, candidate, others)
    assert found.shown == (
        Mistake(
            row=1,
            file="test.csv",
            line=3,
            text="text 1",
            label="Northern",
            predicted="Southern",
            probability=0.8,
            label_probability=(1 - 0.8) / 2,
            right=("linear", "production"),
        ),
    )
    assert (found.count, found.right_elsewhere) == (1, {"majority": 0, "linear": 1, "production": 1})


def test_the_surest_mistakes_come_first():
    """At most ten, the more sure the earlier; what is right is none, however sure."""
    sure = [0.5 + row / 100 for row in range(14)]
    found = find_mistakes(rows([1] * 13 + [0]), LABELS, soft("candidate", [0] * 14, sure), [])
    assert found.surest == tuple(range(12, 2, -1))


def test_each_frequent_confusion_has_three_examples_from_sure_to_unsure():
    """The five most frequent pairs, each with the surest, a middle one and the least sure; ties in order of labels."""
    true = [0] * 5 + [1] * 2 + [2] * 2 + [0] + [1] + [2]
    said = [1] * 5 + [0] * 2 + [0] * 2 + [2] + [2] + [1]
    sure = [0.6, 0.9, 0.7, 0.8, 0.5, *[0.7] * 7]
    found = find_mistakes(rows(true), LABELS, soft("candidate", said, sure), [])
    assert found.pairs[0] == ConfusedPair(label="Central", predicted="Northern", rows=5, of=6, examples=(1, 2, 4))
    assert [(pair.label, pair.predicted, pair.rows) for pair in found.pairs[1:]] == [
        ("Northern", "Central", 2),
        ("Southern", "Central", 2),
        ("Central", "Southern", 1),
        ("Northern", "Southern", 1),
    ]
    assert [len(pair.examples) for pair in found.pairs] == [3, 2, 2, 1, 1]
    assert {row for pair in found.pairs for row in pair.examples} <= {mistake.row for mistake in found.shown}


def test_what_a_baseline_got_right_is_shown_beyond_what_is_shown_anyway():
    """Neither the guess nor production counts as a baseline here; five at most, none twice."""
    n = 40
    candidate = soft("candidate", [0] * n, [0.9 - row / 100 for row in range(n)])
    everybody = [hard("majority", [1] * n), hard("production", [1] * n)]
    assert find_mistakes(rows([1] * n), LABELS, candidate, everybody).right_by_baseline == ()
    found = find_mistakes(rows([1] * n), LABELS, candidate, [soft("linear", [1] * n, [0.4] * n)])
    assert found.right_by_baseline == (10, 11, 12, 13, 14)
    assert found.right_elsewhere == {"linear": 40}


def test_doubtful_labels_are_counted_and_the_first_five_shown():
    """The list holds those that go into the review queue, at most 50; the count is of all."""
    true, said = [0] * 100 + [1] * 200, [0] * 100 + [1] * 140 + [0] * 60
    candidate = soft("candidate", said, [0.8] * 240 + [0.9] * 60)
    found = find_mistakes(rows(true), LABELS, candidate, [soft("linear", said, [0.9] * 300)])
    assert (found.suspicions, len(found.suspected)) == (60, 50)
    assert {one.row for one in found.suspected[:5]} <= {mistake.row for mistake in found.shown}


def test_without_probabilities_there_are_pairs_and_no_surest():
    """Labels alone say what is taken for what, and nothing of how sure it was."""
    found = find_mistakes(rows([0, 1, 1]), LABELS, hard("candidate", [1, 1, 0]), [])
    assert (found.surest, found.suspected, [pair.examples for pair in found.pairs]) == ((), (), [(0,), (2,)])
    assert {(one.probability, one.label_probability) for one in found.shown} == {(None, None)}


def test_an_answer_that_is_no_label_of_the_run_is_a_mistake_of_no_pair():
    """A model from elsewhere may say what no row is called."""
    found = find_mistakes(rows([0, 1]), LABELS, hard("candidate", [3, 1]), [hard("linear", [0, 1])])
    assert (found.count, found.pairs, found.right_by_baseline) == (1, (), (0,))
    assert found.shown[0].predicted is None


def test_no_rows_and_no_mistakes_are_no_error():
    """An empty answer each."""
    assert find_mistakes(rows([]), LABELS, hard("candidate", []), []) == Mistakes(count=0)
    assert find_mistakes(rows([0]), LABELS, soft("candidate", [0], [0.9]), [hard("linear", [1])]) == Mistakes(count=0)


def test_personal_data_is_masked_before_the_text_is_cut():
    """What is shown may be published: not even half of an address stands at the end."""
    text = "erey " * 56 + "magac.dheer@tusaale.so dhammaad " + "erey " * 50
    found = find_mistakes(rows([0], [text]), LABELS, hard("candidate", [1]), [])
    assert "magac" not in found.shown[0].text
    assert found.shown[0].text.endswith(" ‹e-mail address› …")
