"""The sample that `ml-run quickstart` runs on: SYNTHETIC rows with planted defects, and their config.

Made from orthography facts for smoke tests and first looks only; it says nothing about any dialect, and file names and
every row say so.
"""

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files as package_files
from pathlib import Path

from ml_run import files
from ml_run.errors import UsageError
from ml_run.quickstart.defects import PLANTED, Row, make_rows

__all__ = ["PLANTED", "write_sample"]

CONFIG = "ml_config.yaml"
_BOM = "\ufeff"
_FIRST = datetime(2026, 1, 1, 6, tzinfo=UTC)
_STEP = timedelta(minutes=37)


def write_sample(folder: Path, *, seed: int = 42) -> Path:
    """Write `SYNTHETIC_{train,val,test}.jsonl` and `ml_config.yaml` to `folder`; byte for byte the same for one seed.

    Files that are already as they would be written are left alone, so it can be called again.

    Args:
        folder: made when missing.
        seed: of every random choice in the sample (not of the training, which the config names).

    Returns:
        The path of the config.

    Raises:
        UsageError: a file of one of these names holds something else, or the folder cannot be written; then nothing
            is written.
    """
    contents = {f"SYNTHETIC_{split}.jsonl": _lines(split, rows) for split, rows in make_rows(seed).items()}
    contents[CONFIG] = (package_files(__package__) / CONFIG).read_text("utf-8")
    try:
        missing = {name: text for name, text in contents.items() if not _is_there(folder / name, text)}
        for name, text in missing.items():
            files.write_text(folder / name, text)
    except OSError as error:
        raise UsageError(
            f"cannot write the sample here: {error.strerror}",
            where=str(folder),
            remedy="start ml-run quickstart in a folder you may write to",
        ) from None
    return folder / CONFIG


def _is_there(path: Path, text: str) -> bool:
    if not path.exists():
        return False
    if path.read_bytes() == text.encode("utf-8"):
        return True
    raise UsageError(
        "this file is not the one the quickstart writes, and nothing is ever overwritten",
        where=str(path),
        remedy=f"to run what is there: ml-run --config {path.parent / CONFIG}; for a fresh sample move {path.parent} "
        "away or start in another folder",
    )


def _lines(split: str, rows: list[Row]) -> str:
    lines = [json.dumps(_dated(row, number), ensure_ascii=False) + "\n" for number, row in enumerate(rows)]
    if split == "val":
        lines[0] = _BOM + lines[0]
    if split == "train":
        for place in range(1, PLANTED["blank_line"] + 1):
            lines.insert(place * len(lines) // 3, "\n")
    return "".join(lines)


def _dated(row: Row, number: int) -> Row:
    moment = (_FIRST + number * _STEP).isoformat()
    return {
        "text": row["text"],
        "label": row["label"],
        "source": row["source"],
        "timestamp": moment,
        "synthetic": True,
    }
