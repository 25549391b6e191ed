"""Every check of the rows themselves, one after the other: what each found, in one answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_run.config import Config
from ml_run.events import emit
from ml_run.languages import Profile
from ml_run.quality import (
    annotators,
    boilerplate,
    feasibility,
    label_errors,
    labels,
    language,
    lengths,
    nulls,
    personal,
    shortcuts,
    text,
    tokens,
)
from ml_run.quality.fields import Fields
from ml_run.quality.review import Review
from ml_run.quality.rows import Splits
from ml_run.quality.rules import Checks
from ml_run.results import Feasibility, Finding, LabelErrors, LanguageCheck, LanguageGuess, ShortcutProbe, TokenCheck

_CHECKS = ("characters", "annotators", "language", "label errors", "shortcuts", "tokens", "the gate")


@dataclass
class Inspection:
    """What the checks found, and the records they leave for the report."""

    findings: list[Finding] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    language_check: LanguageCheck | None = None
    label_errors: LabelErrors | None = None
    shortcuts: tuple[ShortcutProbe, ...] = ()
    tokens: TokenCheck | None = None
    feasibility: tuple[Feasibility, ...] = ()


@dataclass(frozen=True)
class Subject:
    """The rows to be inspected, and what is known of them."""

    splits: Splits
    """As they will be used: leaks left out."""
    counts: Mapping[str, Mapping[str, int]]
    """Rows by split and label."""
    fields: Fields
    profile: Profile | None
    guess: LanguageGuess | None
    emptied: frozenset[str]
    """Labels of which every row of train was left out as a leak."""


def inspect(subject: Subject, config: Config, checks: Checks) -> Inspection:
    """Look at the rows of all splits for every kind of defect that is not about files, labels or copies."""
    found = Inspection()
    steps = (_characters, _annotators, _language, _label_errors, _shortcuts, _tokens, _gate)
    for done, (name, step) in enumerate(zip(_CHECKS, steps, strict=True)):
        emit("progress", f"checking {name}", stage="data", done=done, total=len(steps))
        step(subject, config, checks, found)
    return found


def _characters(subject: Subject, _config: Config, checks: Checks, found: Inspection) -> None:
    splits = subject.splits
    found.findings += labels.label_findings(splits, subject.counts, checks, subject.emptied)
    found.findings += nulls.null_findings(splits, subject.fields.label, checks)
    found.findings += text.text_findings(splits, subject.profile, checks)
    found.findings += lengths.length_findings(splits, checks)
    found.findings += boilerplate.boilerplate_findings(splits, checks)
    found.findings += personal.personal_findings(splits, checks)


def _annotators(subject: Subject, _config: Config, checks: Checks, found: Inspection) -> None:
    checked = annotators.check_annotators(subject.splits, checks, label_field=subject.fields.label)
    found.findings += checked.findings
    found.reviews += checked.reviews


def _language(subject: Subject, config: Config, checks: Checks, found: Inspection) -> None:
    checked = language.check_language(
        subject.splits, guess=subject.guess, profile=subject.profile, checks=checks, seed=config.training.seed
    )
    found.findings += checked.findings
    found.reviews += checked.reviews
    found.language_check = checked.record


def _label_errors(subject: Subject, config: Config, checks: Checks, found: Inspection) -> None:
    checked = label_errors.check_label_errors(subject.splits, checks, seed=config.training.seed)
    if checked is not None:
        found.findings += checked.findings
        found.reviews += checked.reviews
        found.label_errors = checked.record


def _shortcuts(subject: Subject, config: Config, checks: Checks, found: Inspection) -> None:
    used = subject.fields
    checked = shortcuts.check_shortcuts(
        subject.splits, checks, text_fields=used.text, label_field=used.label, group_field=used.group,
        seed=config.training.seed,
    )  # fmt: skip
    found.findings += checked.findings
    found.shortcuts = checked.probes


def _tokens(subject: Subject, config: Config, checks: Checks, found: Inspection) -> None:
    checked = tokens.check_tokens(subject.splits, config, checks)
    found.findings += checked.findings
    found.tokens = checked.check


def _gate(subject: Subject, config: Config, checks: Checks, found: Inspection) -> None:
    findings, found.feasibility = feasibility.check_feasibility(config, subject.counts, checks)
    found.findings += findings
