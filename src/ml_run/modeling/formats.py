"""Which format of a trained transformer serves: the fastest whose labels are those of the trained weights."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import offline
from ml_run.config.names import INSTALL_ONNX, onnx_is_installed
from ml_run.errors import MlRunError
from ml_run.events import emit, one_line
from ml_run.modeling.onnx_scorer import ONNX_FILES
from ml_run.modeling.scoring import choose_device, softmax
from ml_run.results import FORMATS, FormatTrial
from ml_run.wording import number_of, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import TokenScorer
    from ml_run.results import Format

AGREEMENT = 0.995
"""Share of the validation rows that must get the label which the trained weights give them."""
LEAST_ROWS = 200
"""Rows below which whole numbers are not trusted: one other label among them would be more than is allowed."""
WORTH = 1.2
"""How many times as fast a format must be to take the place of a more exact one."""
LARGE = 20_000_000
"""Parameters from which a faster format is looked for unasked: smaller models answer in a few milliseconds."""
MOST_ROWS = 1000
"""Validation rows that formats are compared on, at most."""
_SINGLE, _BATCH, _ROUNDS = 16, 64, 2
_EXPORT_SECONDS = 1800


@dataclass(frozen=True)
class Choice:
    """The format that serves, and how it was found."""

    format: Format
    trials: tuple[FormatTrial, ...] = ()
    rows: int = 0
    """That the formats were compared on."""


def candidates(named: tuple[Format, ...] | None, parameters: int, rows: int) -> tuple[Format, ...]:
    """The formats that come into question, the most exact first.

    Args:
        named: `deployment.formats`.
        parameters: of the model.
        rows: of the validation split.
    """
    if named is not None:
        return tuple(one for one in FORMATS if one in named)
    worth = parameters >= LARGE and rows >= LEAST_ROWS
    return FORMATS if worth and onnx_is_installed() and choose_device().type == "cpu" else ("safetensors",)


def choose(
    folder: Path, scorer: TokenScorer, texts: Sequence[str], formats: tuple[Format, ...], check: Callable[[], None]
) -> Choice:
    """Export the model into other formats, compare each with the trained weights, and keep the one that serves.

    Where none of `formats` can serve, the trained weights do, with a warning.

    Args:
        folder: of the trained weights; receives the files of the format that serves.
        scorer: the trained weights, loaded.
        texts: of the validation split.
        formats: as `candidates` gives them.
        check: raises to stop.
    """
    if formats == ("safetensors",):
        return Choice("safetensors")
    some = [texts[number * len(texts) // MOST_ROWS] for number in range(MOST_ROWS)] if len(texts) > MOST_ROWS else texts
    tried = [one for one in formats if one == "onnx" or (one != "safetensors" and len(some) >= LEAST_ROWS)]
    why = _export(folder, tried) if tried else ""
    check()
    expected = _probabilities(scorer, some, check)
    trials = [_measured("safetensors", folder, scorer, some, expected, expected)]
    for one in FORMATS[1:]:
        if one in tried and not why:
            trials.append(_try(one, folder, some, expected, check))
        elif one in formats:
            few = f"{number_of(len(some), 'validation row')} are too few to compare it on: {LEAST_ROWS}"
            trials.append(FormatTrial(format=one, refused=why if one in tried else few))
    chosen = fastest(trials, formats)
    for name in ONNX_FILES.values():
        for file in folder.glob(f"{name}*"):
            if name != ONNX_FILES.get(chosen):
                file.unlink()
    _tell(chosen, trials, formats)
    return Choice(chosen, tuple(trials), len(some))


def fastest(trials: Sequence[FormatTrial], formats: tuple[Format, ...]) -> Format:
    """The format that serves; `trials` are of the trained weights first, then of ever less exact formats.

    The faster of two is told by the time for one text and the time for many, which count alike.
    """
    usable = [trial for trial in trials if trial.format in formats and not trial.refused]
    chosen = usable[0] if usable else trials[0]
    for trial in usable[1:]:
        if _times_as_fast(trial, chosen) >= WORTH:
            chosen = trial
    return chosen.format


def _times_as_fast(one: FormatTrial, other: FormatTrial) -> float:
    if not (one.single_ms_p50 and one.rows_per_second and other.single_ms_p50 and other.rows_per_second):
        return 0.0
    return float((other.single_ms_p50 / one.single_ms_p50 * one.rows_per_second / other.rows_per_second) ** 0.5)


def _tell(chosen: Format, trials: Sequence[FormatTrial], formats: tuple[Format, ...]) -> None:
    for trial in trials:
        if trial.refused:
            emit("note", f"{trial.format} does not serve: {trial.refused}", format=trial.format)
    if chosen not in formats:
        emit("warning", "none of deployment.formats can serve: the trained weights do", level=logging.WARNING)
    elif chosen != "safetensors":
        trial = next(trial for trial in trials if trial.format == chosen)
        faster = f"{_times_as_fast(trial, trials[0]):.1f} times as fast as the trained weights"
        emit("note", f"{chosen} serves: {faster}, {percent(trial.same_labels or 0)} equal labels", format=chosen)


# --- one format -----------------------------------------------------------------------------------------------------


def _export(folder: Path, formats: Sequence[Format]) -> str:
    """Write these formats into `folder`, and always float32; why that failed, empty where it did not."""
    if not onnx_is_installed():
        return f"the extra `onnx` is not installed; {INSTALL_ONNX}"
    emit("progress", "exporting the model", stage="train", done=0, total=1)
    # -P: a file of the user's called datasets.py must not be imported in place of the library.
    command = [sys.executable, "-P", "-m", "ml_run.modeling.onnx_export", str(folder), str(folder), *formats]
    try:
        ended = offline.run(command, _EXPORT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"its export took more than {_EXPORT_SECONDS} s"
    if ended.returncode == 0:
        return ""
    said = [line for line in ended.stderr.splitlines() if line.strip()] or [f"exit code {ended.returncode}"]
    return f"it cannot be exported: {one_line(said[-1])[:200]}"


def _try(
    one: Format, folder: Path, texts: Sequence[str], expected: NDArray[np.float64], check: Callable[[], None]
) -> FormatTrial:
    from ml_run.modeling.onnx_scorer import load_onnx

    try:
        scorer = load_onnx(folder, one)
        return _measured(one, folder, scorer, texts, expected, _probabilities(scorer, texts, check))
    except (MlRunError, RuntimeError, ValueError) as error:
        return FormatTrial(format=one, refused=f"it cannot be computed: {one_line(str(error))[:200]}")


def _probabilities(scorer: TokenScorer, texts: Sequence[str], check: Callable[[], None]) -> NDArray[np.float64]:
    import numpy as np

    def progress(done: int, total: int) -> None:
        check()
        emit("progress", "comparing formats of the model", stage="train", done=done, total=total)

    return softmax(scorer.logits(texts, progress=progress).astype(np.float64))


def _measured(
    one: Format,
    folder: Path,
    scorer: TokenScorer,
    texts: Sequence[str],
    expected: NDArray[np.float64],
    found: NDArray[np.float64],
) -> FormatTrial:
    import numpy as np

    same = float((found.argmax(1) == expected.argmax(1)).mean()) if len(texts) else None
    p50, p95, rate = _speed(scorer, texts)
    weights = folder.glob(f"{ONNX_FILES[one]}*" if one in ONNX_FILES else "*.safetensors")
    return FormatTrial(
        format=one,
        same_labels=same,
        largest_difference=float(np.abs(found - expected).max(initial=0.0)),
        single_ms_p50=p50,
        single_ms_p95=p95,
        rows_per_second=rate,
        megabytes=round(sum(file.stat().st_size for file in weights) / 1e6, 1),
        refused="" if one == "safetensors" else _objection(same, len(texts), finite=bool(np.isfinite(found).all())),
    )


def _objection(same: float | None, rows: int, *, finite: bool) -> str:
    if not finite:
        return "it gives scores that are no numbers"
    if same is None or same < AGREEMENT:
        share = "none" if same is None else percent(same)
        return (
            f"{share} of {number_of(rows, 'validation row')} get the trained model's label, {percent(AGREEMENT)} must"
        )
    return ""


def _speed(scorer: TokenScorer, texts: Sequence[str]) -> tuple[float | None, float | None, float | None]:
    """Milliseconds for one text alone, median and 95th percentile, and rows a second in batches; the best of rounds."""
    import numpy as np

    if not texts:
        return None, None, None
    alone = [texts[number * len(texts) // _SINGLE] for number in range(_SINGLE)]
    many = [texts[number * len(texts) // _BATCH] for number in range(_BATCH)]
    scorer.logits(alone[:1])
    singles, batches = [], []
    for _ in range(_ROUNDS):
        times = [_seconds(scorer, [text]) * 1000 for text in alone]
        singles.append([float(one) for one in np.quantile(times, [0.5, 0.95])])
        batches.append(_seconds(scorer, many))
    p50, p95 = min(singles)
    return round(p50, 3), round(p95, 3), round(len(many) / min(batches), 2)


def _seconds(scorer: TokenScorer, texts: Sequence[str]) -> float:
    began = time.perf_counter()
    scorer.logits(texts)
    return time.perf_counter() - began
