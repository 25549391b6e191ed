"""Data sets of the Hugging Face hub: `hf://name`, `hf://owner/name` or `hf://owner/name/config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_run.config.names import HUB_FORM, hub_data_set
from ml_run.errors import ConfigError, NotReadyError, UsageError
from ml_run.reading.parquet import ROWS_AT_A_TIME, columns_of, from_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset, DatasetDict

    from ml_run.reading.parquet import Columns
    from ml_run.reading.types import Source

SPLIT_NAMES = {"train": ("train",), "val": ("validation", "val", "dev"), "test": ("test",)}
"""What the hub calls our splits."""


def load(address: str, revision: str | None) -> DatasetDict:
    """Fetch all splits of a data set, or take them from the local cache.

    Raises:
        ConfigError: the address is not of the form above.
        NotReadyError: it is not there, not reachable, or needs a config.
    """
    named = hub_data_set(address)
    if named is None:
        raise ConfigError([UsageError(f"{address!r} is no hub data set", where="data", remedy=f"write {HUB_FORM}")])
    name, config = named
    import datasets

    try:
        return datasets.load_dataset(name, config, revision=revision)
    except (OSError, ValueError, RuntimeError) as error:
        raise NotReadyError(
            f"the data set cannot be fetched: {str(error).splitlines()[0]}",
            where=address,
            remedy="check the name, data.revision and the network; offline, name files on this machine instead",
        ) from None


def pick(data: DatasetDict, split: str) -> Dataset | None:
    """The hub's split for our `split`, None when there is none."""
    present = [name for name in SPLIT_NAMES[split] if name in data]
    return data[present[0]] if present else None


def rows_of(data: Dataset, name: str) -> Source:
    """Rows of one split; class numbers become the names the data set gives them."""
    from datasets import ClassLabel

    classes = {field: kind for field, kind in data.features.items() if isinstance(kind, ClassLabel)}
    tables = data.with_format("arrow").iter(ROWS_AT_A_TIME)  # as Arrow: images and sound stay undecoded
    return from_columns(name, tuple(data.column_names), (_named(columns_of(table), classes) for table in tables))


def _named(columns: Columns, classes: Mapping[str, Any]) -> Columns:
    names = {field: [_class_name(kind, value) for value in columns[field]] for field, kind in classes.items()}
    return columns | names


def _class_name(kind: Any, value: int | None) -> str | None:
    # The hub marks rows without a label by -1.
    return None if value is None or value < 0 else kind.int2str(value)
