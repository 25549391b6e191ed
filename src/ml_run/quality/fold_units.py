"""Which rows of a cross-validation must not be parted: those of a group, and copies, exact or near."""

from ml_run.config import Config
from ml_run.languages import find_profile
from ml_run.quality.near import find_near_copies
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.splitting import joined_rows
from ml_run.results import PreparedData
from ml_run.splits import SplitRows


def fold_units(rows: SplitRows, config: Config, data: PreparedData, folds: int) -> list[int]:
    """The number of each row's unit [n]; rows with the same number go into one fold.

    Copies join units up to half of a fold, as they do where splits are made (`quality.splitting.divide`).

    Args:
        rows: of train and val.
        config: its `data` section says how alike near copies are.
        data: its language folds spelling for comparison.
        folds: number of folds.
    """
    looked_at = [
        Row(file, line, text, label, group, {}, known)
        for file, line, text, label, group, known in zip(
            rows.files, rows.lines, rows.texts, rows.labels, rows.groups, rows.hashes, strict=True
        )
    ]
    profile = find_profile(data.language.code) if data.language else None
    near = find_near_copies({"train": looked_at}, Checks(config.data.checks, config.data.limits), profile)
    return joined_rows(looked_at, near, max(2, len(rows) // folds // 2))
