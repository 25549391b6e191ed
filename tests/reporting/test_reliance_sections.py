"""Who should not rely on a model: said of what its test rows speak against, and of nothing else."""

from ml_run.reporting import markdown
from ml_run.reporting.document import User
from ml_run.reporting.reliance_sections import reliance, unreliable, weaknesses
from ml_run.results import ClassScores, Estimate
from report_sample import make_evaluation, spread


def words(line):
    return "".join(piece if isinstance(piece, str) else piece.text for piece in line)


def scored(label, recall, precision, support=20):
    return ClassScores(label=label, support=support, recall=recall, precision=precision, f1=spread(0.5))


def evaluation(*classes, **scores):
    whole = make_evaluation()
    return whole.model_copy(update={"candidate": whole.candidate.model_copy(update={"classes": classes, **scores})})


SURE = Estimate(value=0.9, low=0.8, high=0.95)
DOUBTFUL = Estimate(value=0.6, low=0.36, high=0.8)


def test_a_class_of_which_half_may_be_missed_is_named():
    """It is the lower end of the interval that counts: what was found, and how little it may be."""
    found = evaluation(scored("North", SURE, SURE), scored("South", DOUBTFUL, SURE))
    (said,) = unreliable(found)
    assert words(said) == (
        "Do not rely on it to find texts of South: it found 12 of 20, and of all such texts perhaps as few as "
        "36 of 100."
    )


def test_a_label_that_may_be_wrong_half_the_time_is_named():
    """Precision is judged as recall is, in words of its own."""
    found = evaluation(scored("North", SURE, DOUBTFUL))
    assert [words(line) for line in unreliable(found)] == [
        "Do not rely on it when it says North: that was right in 60.0 % of cases, and may be in as few as 36 of 100."
    ]


def test_confidence_is_warned_of_only_beyond_chance():
    """A calibration error within what chance gives is no warning."""
    within, beyond = ({"ece": 0.09, "ece_ceiling": ceiling} for ceiling in (0.1, 0.08))
    assert unreliable(evaluation(scored("North", SURE, SURE), **within)) == []
    assert unreliable(evaluation(scored("North", SURE, SURE), **beyond)) == [
        "Do not rely on its confidence: it is off by 9.0 % on average (ECE 0.090), and more than chance explains."
    ]


def test_many_weak_classes_are_counted_not_listed():
    """Four of a kind are named, the weakest first; the rest is counted."""
    classes = [scored(f"c{n}", Estimate(value=0.5, low=0.4 - n / 100, high=0.6), SURE) for n in range(7)]
    said = unreliable(evaluation(*classes))
    named = [next(piece.text for piece in line if isinstance(piece, User)) for line in said[:4]]
    assert named == ["c6", "c5", "c4", "c3"]
    assert said[4:] == ["The same holds for 3 classes more, under Scores."]


def test_unknown_scores_say_nothing_and_a_perfect_model_warns_of_nothing():
    """A class without test rows is told of under what is not known; without a mistake there is no warning."""
    unknown = Estimate(value=None, low=None, high=None)
    assert unreliable(evaluation(scored("North", unknown, unknown, support=0))) == []
    assert markdown.content(reliance(make_evaluation(level=1.0)).content[0]) == (
        "Nothing in these test rows speaks against it; see what is not known."
    )


def test_everybody_is_told_how_often_it_is_wrong():
    """The last statement holds for any use; SYNTHETIC data comes before all others."""
    said = markdown.content(reliance(make_evaluation(level=0.85), synthetic=True).content[0]).splitlines()
    assert said == [
        "- Do not rely on it at all: it has learnt from SYNTHETIC texts.",
        (
            "- Do not rely on it alone where one wrong label does harm: about 15 of 100 texts like these get one. Let "
            "a person read those."
        ),
    ]


def test_the_opening_names_the_worst_of_both():
    """One line on what goes wrong most often, one on what not to rely on, and how many warnings follow."""
    lines = [words(line) for line in weaknesses(evaluation(scored("S", DOUBTFUL, DOUBTFUL)))]
    assert lines == [
        "Wrong most often: Northern read as Central: 9 of 60 (15.0 %).",
        (
            "Do not rely on it to find texts of S: it found 12 of 20, and of all such texts perhaps as few as "
            "36 of 100. And 1 warning more, below."
        ),
    ]
