"""Label errors and language in the report: what is known, what is not, and that the two are told apart."""

import pytest

from ml_run.quality.rules import finding
from ml_run.results import LanguageCheck
from report_sample import HOSTILE, data_part, make_checked_data, make_data, make_language_check

TWENTY = tuple(f"class {number}" for number in range(20))


def test_the_list_of_label_errors_stands_beside_its_self_test():
    """How far to trust the list is said in words, and the count is called no estimate."""
    part = data_part(make_checked_data(), "label-errors")
    assert part.split("\n\n")[:3] == [
        (
            "A model trained on the other rows was asked about each of 1,176 rows. The 50 most suspicious stand in "
            "`experiments/check_data/data/review_queue.csv`, most suspicious first. Nothing was "
            "changed in your files."
        ),
        (
            "**How far to trust the list:** 59 labels were changed on purpose and the same search was made. It put "
            "64.4 % of them among its 59 most suspicious rows. Of its 50 most suspicious rows 70.0 % were such changed "
            "labels; errors that the data had before count as misses there."
        ),
        (
            "The model names the label of a row that it has not seen in 79.2 % of cases. By its own count 81 rows "
            "would be errors; that number grows with the weakness of the model and is no estimate of the wrong labels."
        ),
    ]
    assert "> Madaxweynaha ayaa\n>\n> data/train.jsonl:240 · labelled Central" in part


def test_the_list_is_shown_once():
    """Its rows stand in the part of their own, not under the findings again."""
    data = make_checked_data()
    assert "Madaxweynaha ayaa" not in data_part(data, "findings")
    assert "Madaxweynaha ayaa" in data_part(data.model_copy(update={"label_errors": None}), "findings")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"planted": 0, "recall": None, "precision": None}, "Unknown; no self-test could be made on these rows."),
        ({"precision": None}, "It put 64.4 % of them among its 59 most suspicious rows.\n"),
    ],
)
def test_a_self_test_without_numbers_claims_none(changed, said):
    """A missing number is left out, never a zero."""
    errors = make_checked_data().label_errors.model_copy(update=changed)
    part = data_part(make_checked_data(label_errors=errors), "label-errors")
    assert said.lower() in part.lower()
    assert "undefined" not in part


def test_a_list_that_the_self_test_speaks_against_is_not_promised():
    """Where the search is no better than chance nothing stands in the queue, and no share of an empty list is told."""
    errors = make_checked_data().label_errors.model_copy(update={"shown": 0, "recall": 0.051, "precision": 0.06})
    told = finding("label_error", "info", "no list was made", count=0)
    part = data_part(make_data(label_errors=errors, findings=(told,)), "label-errors")
    assert "No list was made of them: the self-test says that it would not be worth reading." in part
    assert "It put 5.1 % of them among its 59 most suspicious rows.\n" in part
    assert "review_queue" not in part
    assert "6.0 %" not in part


def test_a_model_that_agrees_with_every_label_is_no_failed_search():
    """Without a suspicious row there is no finding, and nothing is said against the self-test."""
    errors = make_checked_data().label_errors.model_copy(update={"shown": 0, "flagged": 0})
    part = data_part(make_data(label_errors=errors), "label-errors")
    assert "was asked about each of 1,176 rows. It agrees with every label." in part
    assert "No list" not in part


def test_wrong_and_unknown_language_are_two_columns():
    """Unknown is not wrong: each is counted by class and split, the class with most wrong rows first."""
    part = data_part(make_checked_data(), "language")
    assert "Language: Somali (so), recognised from the text. 412 of 500 rows hold frequent words." in part
    assert "How it was checked: Held against data.language: so, which py3langid and pycld2 both know." in part
    assert (
        "3 of 1,176 rows (0.3 %) seem to be in another language than `so`; of 15 (1.3 %) nothing can be said, which is "
        "not wrong." in part
    )
    rows = [line for line in part.splitlines() if line.startswith("| ")]
    assert (
        rows[0] == "| Class | train: other | train: unknown | val: other | val: unknown | test: other | test: unknown |"
    )
    assert rows[2] == "| Central | 3 (1.1 %) | 3 (1.1 %) | 0 (0.0 %) | 1 (2.5 %) | 0 (0.0 %) | 1 (1.2 %) |"
    assert "Seen instead: English (2 rows) and Swahili (1 row)." in part
    assert "Script of most letters: Latin (1,178 rows) and Arabic (2 rows)." in part


def test_what_is_told_once_is_not_told_again():
    """Where every row is right no table of zeros is shown, and the evidence for the language stands once."""
    evidence = make_data().language.evidence
    check = make_language_check()
    right = tuple(share.model_copy(update={"wrong": 0, "unknown": 0}) for share in check.shares)
    clean = check.model_copy(update={"shares": right, "how": f"{evidence}; checked by both identifiers", "others": {}})
    part = data_part(make_data(language_check=clean), "language")
    assert "| Class |" not in part
    assert "0 of 1,176 rows (0.0 %) seem to be in another language than `so`" in part
    assert part.count(evidence) == 1


def test_a_language_that_could_not_be_checked_is_called_so():
    """No table of zeros stands in for a check that was not made."""
    check = LanguageCheck(expected=None, how="no identifier knows Maay", scripts={"Latin": 9})
    part = data_part(make_data(language=None, language_check=check), "language")
    assert part == (
        "**The language of the rows was not checked.** No identifier knows Maay.\n\n"
        "Script of most letters: Latin (9 rows)."
    )
    assert data_part(make_data(language=None), "language") is None


def test_many_classes_languages_and_scripts_are_summed_up():
    """Twelve rows or names, and one that holds the rest; nothing is lost from the sums."""
    check = make_language_check(TWENTY).model_copy(update={"others": {f"x{n:02}": 1 for n in range(15)}})
    part = data_part(make_checked_data(TWENTY, language_check=check), "language")
    rows = [line for line in part.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 13
    assert rows[-1].startswith("| 8 classes more | 0 (0.0 %) | ")
    unknown = sum(int(row.split(" | ")[2].split(" ")[0]) for row in rows)
    assert unknown == sum(share.unknown for share in check.shares if share.split == "train")
    assert "x11 (1 row) and 3 more (3 rows)." in part


def test_labels_of_the_user_stay_words():
    """No label of the data becomes markup in any part."""
    data = make_checked_data(HOSTILE)
    for name in ("splits", "lengths", "decidable", "language"):
        part = data_part(data, name)
        assert "<script>" not in part
        assert "\\[a](javascript:alert)" in part
        assert "شمالي" in part
        assert "ሰሜን ቋንቋ" in part
