"""The rows of a prepared split, as the data stage writes and every later stage reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ml_run import files

TRAIN_ROWS = "train_rows.txt"
"""File in a model folder: the hash of each row the model was trained on, sorted, one a line."""

HOLDOUT = "holdout"
"""Name of the rows of `evaluation.holdout_group`, which stand beside the splits."""


@dataclass(frozen=True)
class SplitRows:
    """The rows of one split; all lists have the same length, in the order of the source file."""

    texts: list[str]
    labels: list[str]
    label_ids: list[int]
    """Index of each label in `PreparedData.labels`."""
    hashes: list[str]
    """SHA-256 (first 32 hexadecimal digits) of the normalised text: equal for rows that say the same."""
    files: list[str]
    """The file of each row as the user named it."""
    lines: list[int]
    """Its 1-based physical line there (row number for parquet and hub data sets)."""
    groups: list[str | None]
    """Value of `data.group_field`, None without one."""
    leaked: list[bool]
    """Test rows that had a copy or a near copy in train; false in other splits."""

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, more: "SplitRows") -> "SplitRows":
        """These rows, then `more`."""
        return SplitRows(*(getattr(self, column.name) + getattr(more, column.name) for column in fields(self)))

    def take(self, numbers: Sequence[int]) -> "SplitRows":
        """The rows with these numbers, in their order."""
        columns = (getattr(self, column.name) for column in fields(self))
        return SplitRows(*([column[number] for number in numbers] for column in columns))


def write_split(path: Path, rows: SplitRows) -> None:
    """Write `rows` to a parquet file, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "text": pa.array(rows.texts, pa.string()),
            "label": pa.array(rows.labels, pa.string()),
            "label_id": pa.array(rows.label_ids, pa.int32()),
            "row_hash": pa.array(rows.hashes, pa.string()),
            "file": pa.array(rows.files, pa.string()),
            "line": pa.array(rows.lines, pa.int64()),
            "group": pa.array(rows.groups, pa.string()),
            "leaked": pa.array(rows.leaked, pa.bool_()),
        }
    )
    with files.atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_split(path: Path) -> SplitRows:
    """Read what `write_split` wrote."""
    import pyarrow.parquet as pq

    columns = pq.read_table(path).to_pydict()
    return SplitRows(
        texts=columns["text"],
        labels=columns["label"],
        label_ids=columns["label_id"],
        hashes=columns["row_hash"],
        files=columns["file"],
        lines=columns["line"],
        groups=columns["group"],
        leaked=columns["leaked"],
    )
