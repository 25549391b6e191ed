"""Verification: `python -m ml_run.modeling.verify FOLDER REFERENCE ANSWER`, a fresh process without network.

Loads the model in FOLDER as a server would, scores the texts of REFERENCE, all at once and one by one, and writes a
`Verification` to ANSWER.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import StoreError
from ml_run.experiment import write_record
from ml_run.results import Verification

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import Scorer

REFERENCE_ROWS = 32
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


def write_reference(path: Path, scorer: Scorer, texts: Sequence[str]) -> None:
    """Write down what the trained model says of 32 of `texts`, evenly chosen, for `verify` to compare with."""
    count = min(REFERENCE_ROWS, len(texts))
    chosen = [texts[number * len(texts) // count] for number in range(count)]
    files.write_json(path, {"labels": scorer.labels, "texts": chosen, "logits": scorer.logits(chosen).tolist()})


def verify(folder: Path, reference: Path) -> Verification:
    """Compare the model in `folder` with the logits that the trained model gave.

    Args:
        folder: a sealed model folder; every file is compared with its manifest, before and after.
        reference: JSON with `labels`, `texts` and `logits` [texts, labels].

    Raises:
        ValueError: the folder or the reference is damaged; the model has another number of labels or gives no
            numbers; or loading it changed its folder.
    """
    import numpy as np

    start = time.monotonic()
    names, texts, expected = _read_reference(reference)
    scorer = _load(folder)
    found = scorer.logits(texts)
    if found.shape != expected.shape:
        raise ValueError(f"the model gives logits of shape {found.shape}, expected {expected.shape}")
    if not np.isfinite(found).all():
        raise ValueError("the model gives logits that are not finite")
    p50, p95 = _latency(scorer, texts)
    if fault := files.manifest_fault(folder):
        raise ValueError(f"loading the model changed its folder: {fault}")
    return Verification(
        rows=len(expected),
        largest_difference=float(np.abs(found - expected).max()),
        same_labels=scorer.labels == names and _same_predictions(found, expected),
        labels=scorer.labels,
        seconds=round(time.monotonic() - start, 3),
        latency_ms_p50=p50,
        latency_ms_p95=p95,
        memory_mb=_peak_memory_mb(),
        cut_off=_is_cut_off(),
    )


def _read_reference(path: Path) -> tuple[tuple[str, ...], list[str], NDArray[np.float32]]:
    import numpy as np

    try:
        known = json.loads(path.read_text("utf-8"))
        expected = np.asarray(known["logits"], np.float32)
        names, texts = tuple(known["labels"]), list(known["texts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged: {type(error).__name__}: {error}") from error
    if not texts or expected.shape != (len(texts), len(names)) or not np.isfinite(expected).all():
        raise ValueError(
            f"{path.name} is damaged: its logits do not fit its {len(texts)} texts and {len(names)} labels"
        )
    return names, texts, expected


def _load(folder: Path) -> Scorer:
    from ml_run.modeling.scoring import load_scorer

    try:
        return load_scorer(folder)
    except StoreError as error:
        raise ValueError(f"its files are damaged: {error.found}") from error


def _latency(scorer: Scorer, texts: Sequence[str]) -> tuple[float, float]:
    """Median and 95th percentile of the milliseconds that one text alone takes."""
    import numpy as np

    times = []
    for text in texts:
        began = time.perf_counter()
        scorer.logits([text])
        times.append((time.perf_counter() - began) * 1000)
    p50, p95 = np.quantile(times, [0.5, 0.95])
    return round(float(p50), 3), round(float(p95), 3)


def _peak_memory_mb() -> float:
    """Of this process since it was started; what Linux counts for its resources began in the process before it."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6, 1)
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def _is_cut_off() -> bool:
    """Whether the system gave this process no network device but the one to itself."""
    try:
        lines = Path("/proc/self/net/dev").read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    return {line.partition(":")[0].strip() for line in lines if ":" in line} <= {"lo"}


def _same_predictions(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Whether each row's highest logit is of the same label; among logits that were equal to the bit, any will do."""
    import numpy as np

    predicted = found.argmax(1)
    return bool((expected[np.arange(len(expected)), predicted] == expected.max(1)).all())


def _refuse_network(event: str, _arguments: object) -> None:
    if event in _NETWORK:
        raise OSError(f"{event}: a deployed model must load without network")


def main() -> None:
    """Entry point of the fresh process."""
    sys.addaudithook(_refuse_network)
    folder, reference, answer = map(Path, sys.argv[1:4])
    write_record(answer, verify(folder, reference))


if __name__ == "__main__":
    main()
