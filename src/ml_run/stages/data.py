"""The data stage: read the sources, look for what would make the result a lie, write the splits."""

import hashlib
import json
import logging
from dataclasses import replace

from ml_run import files, languages
from ml_run.config import Config
from ml_run.errors import NotReadyError
from ml_run.events import emit, logger
from ml_run.experiment import Experiment
from ml_run.languages import Profile
from ml_run.quality import copies, duplicates, fields, inspection, labels, review, rules, structure
from ml_run.quality.copies import Copies
from ml_run.quality.held_out import HeldOut, hold_out
from ml_run.quality.inspection import Inspection
from ml_run.quality.rows import Rejected, Row, Splits, every_row, without_nan
from ml_run.quality.rules import Checks
from ml_run.reading import Source, read_sources, source_fingerprint
from ml_run.results import Finding, LanguageGuess, Lengths, PreparedData, SplitSummary
from ml_run.splits import HOLDOUT, SplitRows, write_split
from ml_run.wording import number_of

__all__ = ["prepare_data", "source_fingerprint"]

_SYNTHETIC = "synthetic"
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


def prepare_data(config: Config, experiment: Experiment) -> PreparedData:
    """Read, check and write the data of a run.

    Writes `data/{train,val,test}.parquet`, `rejected.jsonl` (every row left out, with its reason) and
    `review_queue.csv`, also when the answer is "not ready"; with a source to hold out also `data/holdout.parquet`.

    Raises:
        NotReadyError: a source cannot be read at all, or no row of it can be used.
        ConfigError: the config contradicts the data: a field that is not there, another number of labels, a path
            whose format is not known, a source to hold out that is not there or that a class cannot do without.
    """
    checks = Checks(config.data.checks, config.data.limits)
    sources = read_sources(config.data, experiment.project)
    used, findings = fields.choose_fields(config.data, sources)
    splits, rejected = _take_rows(sources, used)
    _refuse_empty(splits, sources, rejected, experiment)
    findings += structure.file_findings(sources)
    findings += structure.rejection_findings(rejected, splits, checks)
    findings += structure.group_findings(splits, used.group)

    splits, notes = labels.tidy_labels(splits, config.data.label_map)
    names = labels.sorted_labels(splits)
    labels.check_number_of_labels(splits, names, config.model.num_labels)

    profile, guess = languages.choose_language(config.data.language, [row.text for row in every_row(splits)])
    copied = _handle_copies(config, duplicates.hash_rows(splits, profile), checks, profile, sources)
    held = _held_out(config, copied, checks, profile)
    copied = replace(copied, splits=held.splits) if held else copied
    splits, counts = copied.splits, labels.class_counts(copied.splits, names)
    seen = inspection.inspect(inspection.Subject(splits, counts, used, profile, guess, copied.emptied), config, checks)
    judged = checks.apply([*findings, *notes, *copied.findings, *seen.findings])
    _tell(judged)

    rejected += copied.rejected
    _write_rejected(experiment, rejected)
    files.write_text(experiment.review_queue, review.review_queue([*copied.reviews, *seen.reviews]))
    for name, rows in splits.items():
        write_split(experiment.split(name), _columns(rows, names, copied.given_away))
    if held:
        write_split(experiment.split(HOLDOUT), _columns(held.rows, names, frozenset()))
    summaries = {name: _summary(name, rows, rejected, counts[name], sources) for name, rows in splits.items()}
    prepared = _record(names, summaries, used, judged, sources, guess, copied, seen, held)
    return prepared.model_copy(update={"advice": languages.advise(profile, prepared) if profile else ()})


def _record(
    names: tuple[str, ...],
    summaries: dict[str, SplitSummary],
    used: fields.Fields,
    findings: tuple[Finding, ...],
    sources: dict[str, Source],
    guess: LanguageGuess | None,
    copied: Copies,
    seen: Inspection,
    held: HeldOut | None,
) -> PreparedData:
    return PreparedData(
        labels=names,
        splits=summaries,
        text_fields=used.text,
        label_field=used.label,
        findings=findings,
        readiness=rules.readiness(findings),
        fingerprint=files.hash_value({name: summary.fingerprint for name, summary in summaries.items()}),
        language=guess,
        leaks=copied.leaks,
        language_check=seen.language_check,
        label_errors=seen.label_errors,
        shortcuts=seen.shortcuts,
        tokens=seen.tokens,
        feasibility=seen.feasibility,
        holdout=held.record if held else None,
        synthetic=any(_SYNTHETIC in source.name.lower() for source in sources.values()),
    )


def _tell(findings: tuple[Finding, ...]) -> None:
    for one in findings:
        message, level = f"{one.rule}: {one.message}", _LEVELS[one.severity]
        emit("finding", message, level=level, rule=one.rule, severity=one.severity, count=one.count)


def _take_rows(sources: dict[str, Source], used: fields.Fields) -> tuple[Splits, list[Rejected]]:
    splits: Splits = {}
    rejected: list[Rejected] = []
    for name, source in sources.items():
        splits[name], left_out = structure.take_rows(source, name, used)
        rejected += left_out
    return splits, rejected


def _refuse_empty(splits: Splits, sources: dict[str, Source], rejected: list[Rejected], experiment: Experiment) -> None:
    empty = next((name for name, rows in splits.items() if not rows), None)
    if empty is None:
        return
    where = sources[empty].name
    left_out = [row for row in rejected if row.split == empty]
    if not left_out:
        raise NotReadyError("there are no rows", where=where, remedy="check the path in the config")
    _write_rejected(experiment, rejected)
    raise NotReadyError(
        f"none of its {number_of(len(left_out), 'row')} can be used; line {left_out[0].line}: {left_out[0].problem}",
        where=where,
        remedy=f"{experiment.relative(experiment.rejected)} has every row with its reason",
    )


def _handle_copies(
    config: Config, splits: Splits, checks: Checks, profile: Profile | None, sources: dict[str, Source]
) -> Copies:
    data = config.data
    return copies.handle(
        splits,
        checks=checks,
        mode=data.leaks,
        val_share=data.val_share,
        test_share=data.test_share,
        source_name=sources["train"].name,
        profile=profile,
    )


def _held_out(config: Config, copied: Copies, checks: Checks, profile: Profile | None) -> HeldOut | None:
    group = config.evaluation.holdout_group
    if group is None:
        return None
    held = hold_out(copied.splits, group, checks=checks, profile=profile)
    taken = number_of(held.record.rows + held.record.copies, "row")
    logger.info(f"evaluation.holdout_group: {taken} of {group} are taken out of train and val; none is trained on")
    return held


# --- what is written ------------------------------------------------------------------------------------------------


def _write_rejected(experiment: Experiment, rejected: list[Rejected]) -> None:
    with files.atomic_path(experiment.rejected) as path, path.open("w", encoding="utf-8") as file:
        for row in rejected:
            line = {
                "split": row.split,
                "file": row.file,
                "line": row.line,
                "reason": row.reason,
                "problem": row.problem,
                "row": without_nan(row.raw),
            }
            file.write(json.dumps(line, ensure_ascii=False, default=str, allow_nan=False) + "\n")


def _columns(rows: list[Row], names: tuple[str, ...], given_away: frozenset[str]) -> SplitRows:
    ids = {label: number for number, label in enumerate(names)}
    return SplitRows(
        texts=[row.text for row in rows],
        labels=[row.label for row in rows],
        label_ids=[ids[row.label] for row in rows],
        hashes=[row.hash for row in rows],
        files=[row.file for row in rows],
        lines=[row.line for row in rows],
        groups=[row.group for row in rows],
        leaked=[row.hash in given_away for row in rows],
    )


def _summary(
    name: str, rows: list[Row], rejected: list[Rejected], classes: dict[str, int], sources: dict[str, Source]
) -> SplitSummary:
    return SplitSummary(
        name=name,
        source=sources.get(name, sources["train"]).name,
        rows=len(rows),
        rejected=sum(row.split == name for row in rejected),
        classes=classes,
        characters=_lengths([len(row.text) for row in rows]),
        words=_lengths([len(row.text.split()) for row in rows]),
        fingerprint=_fingerprint(rows),
    )


def _lengths(values: list[int]) -> Lengths:
    import numpy as np

    lengths = np.asarray(values or [0])
    return Lengths(
        minimum=float(lengths.min()),
        median=float(np.median(lengths)),
        mean=float(lengths.mean()),
        p95=float(np.percentile(lengths, 95)),
        maximum=float(lengths.max()),
    )


def _fingerprint(rows: list[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.text, row.label], ensure_ascii=False).encode("utf-8"))
    return digest.hexdigest()
