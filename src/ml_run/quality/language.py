"""Rows in another language than the data's: a warning at most, and never a reason to delete a row."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ml_run.config.language_codes import Language, languages
from ml_run.events import emit
from ml_run.languages import Profile
from ml_run.quality.code_switching import find_switches
from ml_run.quality.expected_language import expected_language
from ml_run.quality.identifiers import Vote, voter
from ml_run.quality.language_by_class import class_findings
from ml_run.quality.review import WRONG_LANGUAGE, Review
from ml_run.quality.rows import Row, Splits, per_file, sighting, total
from ml_run.quality.rules import Checks, Sighting, by_share, finding
from ml_run.quality.scripts import check_scripts
from ml_run.results import Finding, LanguageCheck, LanguageGuess, LanguageShare
from ml_run.wording import listed, number_of, percent

_VOTED = ("wrong_language", "language_by_class", "language_not_checked", "code_switching")
_TOLD_EVERY = 50_000
_MOSTLY = 0.5
"""Above this share of wrong rows it is the expectation that is doubted; of unknown ones, that anything was checked."""
_SUREST = 0.999
"""A review's value stays below the next kind's."""

Votes = dict[str, list[tuple[Row, Vote]]]
"""By split, in the order of the rows."""


@dataclass(frozen=True, slots=True)
class LanguageFindings:
    """What the check of language and script found."""

    findings: list[Finding]
    reviews: list[Review]
    record: LanguageCheck | None
    """None when every rule of it is off."""


def check_language(
    splits: Splits, *, guess: LanguageGuess | None, profile: Profile | None, checks: Checks, seed: int = 0
) -> LanguageFindings:
    """Hold every row against the language and the script that the data is in.

    Args:
        splits: all rows; where there is no guess, the language is taken from those of train.
        guess: what `languages.choose_language` says.
        profile: its scripts, and its names of dialects.
        checks: severities and limits.
        seed: of the sample of rows looked at for code-switching, where they are many.
    """
    if not checks.wants(*_VOTED, "script_mix"):
        return LanguageFindings([], [], None)
    odd, scripts = check_scripts(splits, profile=profile, checks=checks)
    if not checks.wants(*_VOTED):
        how = "not checked: the rules of language are off"
        return LanguageFindings(odd, [], LanguageCheck(expected=None, how=how, scripts=scripts))
    expectation = expected_language(guess, splits["train"])
    judge = voter(expectation.language) if expectation.language else None
    if expectation.language is None or judge is None:
        return _not_checked(splits, expectation.language, expectation.how, odd, scripts)
    votes = {name: [(row, judge(row.text)) for row in _told(rows, name)] for name, rows in splits.items()}
    found = _findings(votes, expectation.language, profile, checks, seed)
    reviews = _reviews(votes) if checks.wants("wrong_language") else []
    how = f"{expectation.how}; checked by {_judges(expectation.language)}"
    return LanguageFindings([*found, *odd], reviews, _record(votes, expectation.language, how, scripts))


def _told(rows: list[Row], split: str) -> Iterator[Row]:
    for done, row in enumerate(rows):
        if done and done % _TOLD_EVERY == 0:
            emit("progress", f"language of {split}", stage="data", done=done, total=len(rows))
        yield row


def _not_checked(
    splits: Splits, language: Language | None, how: str, odd: list[Finding], scripts: dict[str, int]
) -> LanguageFindings:
    why = f"no identifier knows {language.name} ({how})" if language else how
    message = f"the language of the rows was not checked: {why}"
    everything = total(splits)
    unchecked = finding("language_not_checked", "info", message, count=everything, total=everything)
    record = LanguageCheck(expected=None, how=why, scripts=scripts)
    return LanguageFindings([unchecked, *odd], [], record)


def _findings(votes: Votes, expected: Language, profile: Profile | None, checks: Checks, seed: int) -> list[Finding]:
    voted = [one for rows in votes.values() for one in rows]
    wrong = [(row, vote) for row, vote in voted if vote.judgement == "wrong"]
    right = [row for row, vote in voted if vote.judgement == "right"]
    found = [_wrong_finding(wrong, votes, expected, profile, checks)] if wrong else []
    if wrong and not _doubtful(votes):
        found += class_findings(voted, expected, checks)
    if (unknown := len(voted) - len(wrong) - len(right)) > _MOSTLY * len(voted):
        found.append(_unknown_finding(unknown, len(voted)))
    if checks.wants("code_switching") and expected.pycld2 and expected.py3langid:
        found += _switch_findings(right, expected, seed)
    return found


# --- the findings ---------------------------------------------------------------------------------------------------


def _wrong_finding(
    wrong: list[tuple[Row, Vote]], votes: Votes, expected: Language, profile: Profile | None, checks: Checks
) -> Finding:
    shares = {name: _wrong(rows) / len(rows) for name, rows in votes.items() if rows}
    worst = max(shares, key=lambda name: shares[name])
    rows = [row for row, _ in wrong]
    others = _named(vote.taken_for for _, vote in wrong)
    look = "looks" if len(rows) == 1 else "look"
    message = (
        f"{number_of(len(rows), 'row')} {look} like another language than {expected.name} to {_judges(expected)}: "
        f"{others} ({per_file(rows)}; {percent(shares[worst])} of {worst})"
    )
    severity = by_share(shares[worst], warning=checks.limit("wrong_language.warning_above"))
    total_rows = sum(map(len, votes.values()))
    remedy = _remedy(votes, profile)
    return finding(
        "wrong_language", severity, message, map(sighting, rows), count=len(rows), total=total_rows, remedy=remedy
    )


def _remedy(votes: Votes, profile: Profile | None) -> str | None:
    if _doubtful(votes):
        return "set data.language to the language of most rows, if that is not the one they were held against"
    labels = {row.label.strip().casefold() for rows in votes.values() for row, _ in rows}
    if profile and labels & profile.dialect_names:
        return "a dialect can look foreign to identifiers: have a native speaker look, and delete none for this"
    return None


def _unknown_finding(unknown: int, everything: int) -> Finding:
    message = (
        f"the language of {unknown:,} of {everything:,} rows is unknown: they are too short, or no identifier is sure"
    )
    remedy = "nothing, where the texts are short by nature; otherwise have a native speaker look at some"
    return finding("language_not_checked", "info", message, count=unknown, total=everything, remedy=remedy)


def _switch_findings(right: list[Row], expected: Language, seed: int) -> list[Finding]:
    found = find_switches(right, expected, seed=seed)
    if not found.rows:
        return []
    rows = [row for row, _ in found.rows]
    seen = (Sighting(row.file, row.line, stretch.words, row.label) for row, stretch in found.rows)
    hold = "holds" if len(rows) == 1 else "hold"
    of = f" of a sample of {found.looked_at:,}" if found.looked_at < len(right) else ""
    message = (
        f"{number_of(len(rows), 'row')}{of} {hold} a stretch of words in another language than {expected.name}: "
        f"{_named(stretch.code for _, stretch in found.rows)} ({per_file(rows)})"
    )
    return [finding("code_switching", "info", message, seen, count=len(rows), total=found.looked_at)]


def _named(codes: Iterator[str | None]) -> str:
    counts = Counter(code for code in codes if code)
    return listed([f"{count:,} {languages()[code].name}" for code, count in counts.most_common()])


def _judges(expected: Language) -> str:
    if expected.pycld2 and expected.py3langid:
        return "both identifiers"
    return f"{'pycld2' if expected.pycld2 else 'py3langid'}, the only identifier that knows it"


# --- what else is told ----------------------------------------------------------------------------------------------


def _wrong(rows: list[tuple[Row, Vote]]) -> int:
    return sum(vote.judgement == "wrong" for _, vote in rows)


def _doubtful(votes: Votes) -> bool:
    judged = sum(vote.judgement != "unknown" for rows in votes.values() for _, vote in rows)
    return sum(map(_wrong, votes.values())) > _MOSTLY * judged


def _reviews(votes: Votes) -> list[Review]:
    """Rows to look at; none where most look foreign, since then it is the expectation that is wrong."""
    if _doubtful(votes):
        return []
    return [
        Review(
            split,
            row,
            WRONG_LANGUAGE + min(vote.sure, _SUREST),
            f"wrong_language: it looks like {languages()[vote.taken_for].name}",
        )
        for split, rows in votes.items()
        for row, vote in rows
        if vote.taken_for
    ]


def _record(votes: Votes, expected: Language, how: str, scripts: dict[str, int]) -> LanguageCheck:
    shares = []
    for split, rows in votes.items():
        counts: dict[str, Counter[str]] = {}
        for row, vote in rows:
            counts.setdefault(row.label, Counter())[vote.judgement] += 1
        shares += [
            LanguageShare(split=split, label=label, rows=count.total(), wrong=count["wrong"], unknown=count["unknown"])
            for label, count in sorted(counts.items())
        ]
    others = Counter(vote.taken_for for rows in votes.values() for _, vote in rows if vote.taken_for)
    return LanguageCheck(
        expected=expected.code, how=how, shares=tuple(shares), others=dict(others.most_common()), scripts=scripts
    )
