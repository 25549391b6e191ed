"""One window of traffic: read, scored, held against the reference, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.drift.checks import OF_TEXTS, Hits, Labels, Window, check_window
from ml_run.drift.reliance import estimated_accuracy
from ml_run.drift.tokens import tokens_of
from ml_run.drift.traits import measure
from ml_run.errors import ExitCode, UsageError
from ml_run.events import emit
from ml_run.statistics import LEVEL, wilson, with_temperature
from ml_run.watching.deployed import find_watched
from ml_run.watching.folder import folder_name, leave
from ml_run.watching.labelled import judge_labelled, retrain
from ml_run.watching.record import MonitorResult
from ml_run.watching.shares import character_shares, label_shares
from ml_run.watching.traffic import read_traffic
from ml_run.wording import number_of, percent

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.drift.checks import Check
    from ml_run.drift.distribution import Distribution
    from ml_run.drift.traits import Traits
    from ml_run.results import Estimate
    from ml_run.watching.deployed import Watched
    from ml_run.watching.record import CharacterShare, Labelled, LabelShare, Status
    from ml_run.watching.traffic import Traffic

CODES: dict[Status, ExitCode] = {
    "ok": ExitCode.OK,
    "drift": ExitCode.DRIFT,
    # Not known to be well is not well: whoever asks `ml-run monitor FILE && …` must not go on.
    "too_few": ExitCode.INCONCLUSIVE,
}
_MOST_WITHOUT_TEXT = 0.05
"""Share of rows without a text from which a window is no longer of what the model was made for."""
_DECIMALS = 4
"""Of confidences that are compared: logs round them, and what a log calls 1 must not differ from .9999997."""


def monitor(path: Path, reference: str | None, project: Path) -> MonitorResult:
    """Hold a file of traffic against what was handed over with the model in production.

    Leaves a report in `experiments/monitor_<name>/`; the same file gives the same result.

    Args:
        path: jsonl, csv, tsv or parquet, each also .gz: texts, with or without labels, or a log of predictions.
        reference: ID of the run whose model is watched; None: the one in production.
        project: the project folder.

    Raises:
        UsageError: nothing is in production, its handoff cannot be used, or there is no such file.
        NotReadyError: the file cannot be read, or has neither texts nor predictions.
        StoreError: the deployed model is damaged.
    """
    watched = find_watched(project, reference)
    traffic = read_traffic(path, watched, project)
    seed = int(traffic.digest[:8], 16)
    found = _Found() if _too_few(traffic, watched) else _look(traffic, watched, seed)
    return leave(_result(traffic, watched, found, folder_name(path, watched.experiment.id)), traffic, watched, project)


@dataclass(frozen=True)
class _Found:
    """What was found in a window of enough rows; empty for too few."""

    checks: tuple[Check, ...] = ()
    estimated: Estimate | None = None
    labelled: Labelled | None = None
    labels: tuple[LabelShare, ...] = ()
    characters: tuple[CharacterShare, ...] = ()


# --- what is found --------------------------------------------------------------------------------------------------


def _look(traffic: Traffic, watched: Watched, seed: int) -> _Found:
    import numpy as np

    handoff = watched.handoff
    probabilities = _probabilities(traffic, watched)
    predicted = probabilities.argmax(1)
    counts = np.bincount(predicted, minlength=len(handoff.labels))
    traits = _traits(traffic, watched)
    labelled = judge_labelled(traffic, predicted, watched, seed=seed)
    assert handoff.trust is not None
    assert handoff.texts is not None
    wrong_before = round((1 - handoff.trust.accuracy) * handoff.trust.n)
    enough = labelled is not None and labelled.n >= handoff.minimum_window
    window = Window(
        labels=Labels(handoff.labels, np.array([handoff.predicted_counts[one] for one in handoff.labels]), counts),
        confidence=(_coarse(handoff.confidence), probabilities.max(1).round(_DECIMALS)),
        characters=(handoff.characters, np.array(traffic.characters)) if traffic.characters else None,
        texts=(handoff.texts, traits) if traits else None,
        wrong=(Hits(wrong_before, handoff.trust.n), Hits(_wrong(labelled), labelled.n))
        if labelled is not None and enough
        else None,
    )
    warm = with_temperature(probabilities, handoff.trust.temperature).max(1)
    return _Found(
        checks=check_window(window, handoff.alpha, seed=seed),
        estimated=estimated_accuracy(handoff.trust, warm),
        labelled=labelled,
        labels=label_shares(traffic, counts, watched, seed),
        characters=character_shares(traits, handoff.texts.frequencies) if traits else (),
    )


def _coarse(confidence: Distribution) -> Distribution:
    return confidence.model_copy(update={"values": tuple(round(value, _DECIMALS) for value in confidence.values)})


def _wrong(labelled: Labelled) -> int:
    return round((1 - (labelled.accuracy.value or 0.0)) * labelled.n)


def _traits(traffic: Traffic, watched: Watched) -> Traits | None:
    if traffic.texts is None or watched.handoff.texts is None:
        return None
    try:
        return measure(traffic.texts, watched.handoff.texts, tokens_of(watched.folder))
    except ValueError as error:
        raise UsageError(
            f"the handoff cannot be used: {error}",
            where=watched.experiment.relative(watched.experiment.handoff),
            remedy=f"deploy the run again, which writes it anew: ml-run deploy {watched.experiment.id}",
        ) from None


def _probabilities(traffic: Traffic, watched: Watched) -> NDArray[np.float64]:
    """Of each row [n, k]: as the file has them, else from the model, whose every file is compared with its manifest."""
    from ml_run.evaluation.predictions import predict
    from ml_run.modeling.scoring import load_scorer

    if traffic.probabilities is not None:
        return traffic.probabilities
    assert traffic.texts is not None
    emit("progress", f"scoring {number_of(len(traffic), 'row')}", stage="monitor", done=0, total=len(traffic))
    found = predict(load_scorer(watched.folder), "production", traffic.texts, watched.handoff.labels)
    if found.probabilities is None:
        raise UsageError(
            "the model has other labels than its handoff says",
            where=str(watched.folder),
            remedy=f"ml-run deploy {watched.experiment.id}",
        )
    return found.probabilities


def _holds(checks: tuple[Check, ...]) -> bool | None:
    """Whether an accuracy estimated from confidence can be believed: not where texts drifted, or were not seen."""
    drifted = any(one.alarm and one.name in OF_TEXTS for one in checks)
    return False if drifted else True if any(one.name == "characters" for one in checks) else None


# --- what follows ---------------------------------------------------------------------------------------------------


def _too_few(traffic: Traffic, watched: Watched) -> str:
    """Why nothing can be said; empty where it can."""
    least, handoff = watched.handoff.minimum_window, watched.handoff
    if len(traffic) < least:
        return f"{number_of(len(traffic), 'row')} with a text are too few to judge: {least} are needed"
    if handoff.n < least:
        return f"the model was tested on {number_of(handoff.n, 'row')}, too few to hold traffic against: {least}"
    return ""


def _result(traffic: Traffic, watched: Watched, found: _Found, name: str) -> MonitorResult:
    handoff, reasons = watched.handoff, list(_reasons(traffic, watched, found))
    too_few = _too_few(traffic, watched)
    status: Status = "drift" if reasons else "too_few" if too_few else "ok"
    rule = retrain(found.labelled, watched)
    return MonitorResult(
        status=status,
        exit_code=CODES[status],
        reasons=tuple(reasons) or ((too_few,) if too_few else ()),
        file=traffic.name,
        rows=traffic.rows,
        checked=0 if too_few else len(traffic),
        without_text=traffic.without_text,
        run=watched.experiment.id,
        version=watched.version,
        reference_rows=handoff.n,
        minimum_window=handoff.minimum_window,
        alpha=handoff.alpha,
        checks=found.checks,
        estimated_accuracy=found.estimated,
        estimate_holds=_holds(found.checks),
        labelled=found.labelled,
        retrain=rule,
        labels=found.labels,
        characters=found.characters,
        notes=(*traffic.notes, *_notes(traffic, found)),
        synthetic=handoff.synthetic,
        folder=name,
        next_step=_next_step(status, watched, due=bool(rule.due)),
    )


def _reasons(traffic: Traffic, watched: Watched, found: _Found) -> list[str]:
    reasons = []
    floor = watched.floor
    if found.labelled and floor is not None:
        high = found.labelled.accuracy.high
        if high is not None and high < floor:
            reasons.append(f"accuracy on the labelled rows is below {floor:g}, beyond chance")
    if traffic.rows >= watched.handoff.minimum_window:
        low = wilson(traffic.without_text, traffic.rows, LEVEL).low or 0.0
        if low > _MOST_WITHOUT_TEXT:
            share = percent(traffic.without_text / traffic.rows)
            reasons.append(f"{traffic.without_text:,} of {number_of(traffic.rows, 'row')} have no text ({share})")
    return reasons + [one.said for one in found.checks if one.alarm]


def _notes(traffic: Traffic, found: _Found) -> list[str]:
    notes = []
    if found.checks and traffic.texts is None:
        notes.append("the file holds no texts: characters, pieces, language and content were not checked")
    if found.labelled and found.labelled.unknown_labels:
        rows = number_of(found.labelled.unknown_labels, "row")
        notes.append(f"{rows} have a label that the model does not know, which counts as wrong")
    return notes


def _next_step(status: Status, watched: Watched, *, due: bool) -> str:
    if status == "too_few":
        return f"collect {watched.handoff.minimum_window} rows or more, and give the command again"
    if status == "drift":
        return "read the report: it says what each alarm means; have a person label some of these rows"
    return "add the labelled rows to the training data, and start a new run: ml-run NAME" if due else ""
