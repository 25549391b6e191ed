"""Verification: `python -m ml_run.modeling.verify FOLDER REFERENCE ANSWER`, a fresh process without network.

Loads the model in FOLDER as a server would, scores the texts of REFERENCE and writes a `Verification` to ANSWER.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ml_run import files
from ml_run.experiment import write_record
from ml_run.results import Verification

_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


def verify(folder: Path, reference: Path) -> Verification:
    """Compare the model in `folder` with the logits that the trained model gave.

    Args:
        folder: a sealed model folder; every file is compared with its manifest, before and after.
        reference: JSON with `texts` and `logits` [texts, labels].

    Raises:
        StoreError: the folder is damaged or holds no model.
        ValueError: the model has another number of labels or gives no numbers, or loading it changed its folder.
    """
    import numpy as np

    from ml_run.modeling.scoring import load_scorer

    start = time.monotonic()
    known = json.loads(reference.read_text("utf-8"))
    expected = np.asarray(known["logits"], np.float32)
    found = load_scorer(folder).logits(known["texts"])
    if found.shape != expected.shape:
        raise ValueError(f"the model gives logits of shape {found.shape}, expected {expected.shape}")
    if not np.isfinite(found).all():
        raise ValueError("the model gives logits that are not finite")
    if fault := files.manifest_fault(folder):
        raise ValueError(f"loading the model changed its folder: {fault}")
    return Verification(
        rows=len(expected),
        largest_difference=float(np.abs(found - expected).max()),
        same_labels=bool((found.argmax(1) == expected.argmax(1)).all()),
        seconds=round(time.monotonic() - start, 3),
    )


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
