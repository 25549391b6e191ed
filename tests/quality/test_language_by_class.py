"""Fisher's exact test of rows in another language against the classes."""

import math
import random

import pytest

from ml_run.config.language_codes import find_language
from ml_run.quality.identifiers import Vote
from ml_run.quality.language_by_class import class_findings, fisher_greater
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

SO = find_language("so")
WRONG, RIGHT, UNKNOWN = Vote("wrong", "en", 0.9), Vote("right"), Vote("unknown")


def voted(**classes):
    """Votes of classes, each given as (wrong, right, unknown) rows."""
    return [
        (Row("f.csv", line, "x", label, None, {}), vote)
        for label, counts in classes.items()
        for line, vote in enumerate(
            [v for v, n in zip((WRONG, RIGHT, UNKNOWN), counts, strict=True) for _ in range(n)], start=1
        )
    ]


def test_the_class_that_differs_is_named():
    """One class with most of the foreign rows is a warning with its share, that of the others and the chance."""
    (found,) = class_findings(voted(news=(19, 181, 0), sport=(1, 399, 0), art=(0, 200, 50)), SO, Checks())
    assert (found.rule, found.severity, found.count, found.share) == ("language_by_class", "warning", 19, 0.095)
    assert [example.label for example in found.examples] == ["news"] * 19
    assert found.message == (
        "9.5 % of class news look like another language than Somali (19 of 200 rows), 0.2 % of the other classes "
        "(1 of 600): chance does so less than 0.01 % of the time"
    )


@pytest.mark.parametrize(
    "classes",
    [
        {"a": (10, 190, 0), "b": (10, 190, 0)},
        {"a": (4, 96, 0), "b": (1, 99, 0)},
        {"a": (1, 0, 99), "b": (0, 100, 0)},
        {"a": (100, 0, 0)},
        {"a": (0, 100, 0), "b": (0, 100, 0)},
        {"a": (3, 997, 0), "b": (0, 99_000, 0)},
    ],
)
def test_chance_is_no_finding(classes):
    """Equal shares, few rows, unknown rows, one class, none foreign, or hardly any of a large class say nothing."""
    assert class_findings(voted(**classes), SO, Checks()) == []


def test_many_classes_make_chance_finds_likelier():
    """The p-value is multiplied by the number of classes, and its limit can be changed."""
    two, many = {"a": (7, 93, 0), "b": (0, 100, 0)}, {"a": (7, 93, 0), **{f"b{n}": (0, 10, 0) for n in range(10)}}
    assert fisher_greater(7, 100, 7, 200) == pytest.approx(0.0070, abs=1e-4)
    assert class_findings(voted(**many), SO, Checks()) == []
    assert class_findings(voted(**two), SO, Checks()) == []
    assert len(class_findings(voted(**two), SO, Checks(limits={"language_by_class.p": 0.02}))) == 1


def test_against_scipy():
    """The tail is that of scipy's exact test, for small and for large tables."""
    from scipy.stats import fisher_exact

    chance = random.Random(5)
    tables = [[chance.randrange(60) for _ in range(4)] for _ in range(60)] + [[190, 1810, 9, 12_382], [0, 1, 0, 0]]
    for a, b, c, d in tables:
        expected = fisher_exact([[a, b], [c, d]], alternative="greater").pvalue
        assert math.isclose(fisher_greater(a, a + b, a + c, a + b + c + d), expected, rel_tol=1e-7, abs_tol=1e-300)
