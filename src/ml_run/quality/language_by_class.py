"""Classes that differ in language: a model could learn the language in place of the class."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from ml_run.config.language_codes import Language
from ml_run.quality.identifiers import Vote
from ml_run.quality.rows import Row, sighting
from ml_run.quality.rules import Checks, finding
from ml_run.results import Finding
from ml_run.wording import percent

_SMALLEST_P = 1e-4


def class_findings(voted: Sequence[tuple[Row, Vote]], expected: Language, checks: Checks) -> list[Finding]:
    """One finding for each class that has more rows in another language than chance allows.

    Fisher's exact test of the class against all others, one-sided, with Bonferroni's correction for the number of
    classes; rows of unknown language are left out. A class of which fewer rows are foreign than
    `wrong_language.warning_above` is passed over: many rows make any difference significant, and so few teach nothing.
    """
    judged = [(row, vote) for row, vote in voted if vote.judgement != "unknown"]
    rows = Counter(row.label for row, _ in judged)
    wrong = Counter(row.label for row, vote in judged if vote.judgement == "wrong")
    found = []
    for label, hits in wrong.most_common():
        p = min(1.0, len(rows) * fisher_greater(hits, rows[label], wrong.total(), len(judged)))
        relevant = hits / rows[label] > checks.limit("wrong_language.warning_above")
        if relevant and p < checks.limit("language_by_class.p"):
            found.append(_finding(label, judged, rows, wrong, (expected, p)))
    return found


def _finding(
    label: str, judged: list[tuple[Row, Vote]], rows: Counter[str], wrong: Counter[str], why: tuple[Language, float]
) -> Finding:
    expected, p = why
    others, others_wrong = len(judged) - rows[label], wrong.total() - wrong[label]
    message = (
        f"{percent(wrong[label] / rows[label])} of class {label} look like another language than {expected.name} "
        f"({wrong[label]:,} of {rows[label]:,} rows), {percent(others_wrong / others)} of the other classes "
        f"({others_wrong:,} of {others:,}): {_chance(p)}"
    )
    seen = (sighting(row) for row, vote in judged if row.label == label and vote.judgement == "wrong")
    return finding("language_by_class", "warning", message, seen, count=wrong[label], total=rows[label])


def _chance(p: float) -> str:
    return f"chance does so {'less than ' if p < _SMALLEST_P else ''}{100 * max(p, _SMALLEST_P):.2f} % of the time"


def fisher_greater(hits: int, drawn: int, marked: int, everything: int) -> float:
    """P(at least `hits` marked among `drawn` rows of `everything`, of which `marked` are marked): Fisher's exact test.

    R. A. Fisher, Statistical Methods for Research Workers, 5th ed. 1934, section 21.02: the upper tail of the
    hypergeometric distribution.
    """
    terms = list(_log_terms(hits, drawn, marked, everything))
    if not terms:
        return 0.0
    largest = max(terms)
    return min(1.0, math.exp(largest) * math.fsum(math.exp(term - largest) for term in terms))


def _log_terms(hits: int, drawn: int, marked: int, everything: int) -> Iterator[float]:
    whole = _log_choose(everything, drawn)
    for k in range(max(hits, drawn + marked - everything), min(drawn, marked) + 1):
        yield _log_choose(marked, k) + _log_choose(everything - marked, drawn - k) - whole


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
