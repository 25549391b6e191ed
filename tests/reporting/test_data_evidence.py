"""What single checks measured, as tables: the records' numbers, and nothing without a record."""

import pytest

from ml_run.results import Feasibility, ShortcutProbe
from report_sample import data_part, make_checked_data, make_data, make_feasibility, make_tokens

TWENTY = tuple(f"class {number}" for number in range(20))


@pytest.mark.parametrize("name", ["lengths", "copies", "decidable", "shortcuts", "label-errors"])
def test_a_check_that_left_no_record_has_no_part(name):
    """Nothing is claimed of what was not measured."""
    assert data_part(make_data(), name) is None
    assert data_part(make_checked_data(), name)


# --- lengths --------------------------------------------------------------------------------------------------------


def test_lengths_say_what_to_do_and_then_why():
    """The advice first, then what the tokenizer made of each split and class, then what cutting costs."""
    part = data_part(make_checked_data(), "lengths")
    assert part.startswith(
        "**Advice:** Keep max_length at 256: the part that is cut off does not help a linear model.\n\n"
        "A tokenizer breaks a text into tokens: words and pieces of words. That of xlm-roberta-base was asked; of each "
        "text the model reads the first 256 tokens (`model.max_length`)."
    )
    assert "| **train** | 811 | 12.3 % | 4.1 % | 88 | 402 | 1,311 | 2.19 | 0.0 % |" in part
    assert "| Northern | 270 | 20.0 % | 6.7 % | 88 | 402 | 1,311 | 2.19 | 0.0 % |" in part
    assert "| the first 64 | 0.804 | ± 0.019 |\n| all | 0.749 | ± 0.020 |" in part


def test_the_most_cut_of_many_classes_are_shown():
    """Twelve rows, and the caption says of how many."""
    part = data_part(make_checked_data(TWENTY), "lengths")
    assert "*The classes of train, the 12 of 20 with the largest share of texts cut first*" in part
    assert "| class 11 |" in part
    assert "| class 12 |" not in part


def test_what_was_not_measured_of_the_tokens_is_left_out():
    """No ablation, no classes, no histogram: no table and no chart of them."""
    tokens = make_tokens().model_copy(update={"ablation": (), "classes": (), "histogram": (0,), "edges": (0, 1)})
    part = data_part(make_checked_data(tokens=tokens), "lengths")
    assert part.count("| --- |") == 1
    assert "\n\n\n" not in part


# --- copies ---------------------------------------------------------------------------------------------------------


def test_copies_between_splits_come_before_those_inside():
    """The worst leak is read first."""
    rows = [line for line in data_part(make_checked_data(), "copies").splitlines() if line.startswith("| **")]
    assert rows == [
        "| **test** | train | 4 | 2 | 2.5 % | 243 |",
        "| **train** | test | 4 | 3 | 0.9 % | 815 |",
        "| **val** | train | 0 | 1 | 0.8 % | 122 |",
        "| **train** | val | 0 | 1 | 0.1 % | 815 |",
        "| **train** | train itself | 9 | 3 | 1.5 % | 815 |",
    ]


# --- the gate -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_decided_comes_first_with_the_rows_that_are_missing():
    """A reader sees before any training which criterion wants more test rows, and how many."""
    part = data_part(make_checked_data(), "decidable")
    assert part.startswith(
        "1 of 4 criteria cannot be decided by these test rows, however good the model is; that is known before any "
        "training."
    )
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    assert rows[:2] == [
        (
            "| `min_class_recall` | **no** | Southern | 118 | 0.7 | – | 69 of 187 | "
            "Too few rows of the class, however good the model is. |"
        ),
        "| `min_accuracy` | **yes** | all | 243 | 0.8 | 0.848 | – | 243 test rows can decide it. |",
    ]


def test_rows_for_something_finer_are_not_called_missing():
    """A criterion that can be decided wants no rows, whatever its message says of telling finer differences."""
    asked = make_feasibility()[0].model_copy(update={"n_needed": 5000})
    assert "| 0.848 | – | 243 test rows can decide it. |" in data_part(make_data(feasibility=(asked,)), "decidable")


def test_enough_rows_are_said_to_be_enough():
    """Where all can be decided that is said."""
    accuracy = make_feasibility()[:1]
    assert data_part(make_data(feasibility=accuracy), "decidable").startswith(
        "These test rows are enough to decide 1 criterion."
    )


@pytest.mark.parametrize(
    ("decidable", "said"),
    [
        (True, "And 8 criteria more; they can be decided."),
        (False, "And 8 criteria more; 8 of them cannot be decided either."),
    ],
)
def test_criteria_of_many_classes_are_summed_up(decidable, said):
    """Twelve rows, then a count."""
    every = [
        Feasibility(criterion="min_class_f1", label=label, n=9, threshold=0.7, decidable=decidable, message="so it is")
        for label in TWENTY
    ]
    part = data_part(make_data(feasibility=every), "decidable")
    assert part.endswith(said)
    assert part.count("| `min_class_f1` |") == 12


# --- shortcuts ------------------------------------------------------------------------------------------------------


def test_each_probe_stands_beside_guess_and_text():
    """Three numbers a line; the probe furthest above the guess first."""
    rows = [line for line in data_part(make_checked_data(), "shortcuts").splitlines() if line.startswith("| ")]
    assert rows[2:] == [
        "| source | 0.691 | 0.333 | 0.747 | 1,176 |",
        "| punctuation | 0.402 | 0.333 | 0.747 | 1,176 |",
        "| length of the text | 0.281 | 0.333 | 0.747 | 1,176 |",
    ]


def test_many_fields_are_summed_up():
    """Twelve rows; the caption counts the others."""
    probes = [ShortcutProbe(name=name, macro_f1=0.5, guess=0.3, text=0.8, rows=9) for name in TWENTY]
    part = data_part(make_data(shortcuts=probes), "shortcuts")
    assert "*What tells the label, furthest above the guess first; 8 fields nearer to the guess left out*" in part
    assert part.count("| class ") == 12
