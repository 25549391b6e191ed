"""How many rows there are to learn from, and how long they are: the first ones are read, the others estimated."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.config.names import is_hub_address
from ml_run.errors import MlRunError
from ml_run.fitness.demand import Work
from ml_run.quality.fields import TEXT, TEXT_ALTERNATIVES
from ml_run.reading.streaming import stream
from ml_run.reading.types import RawRow
from ml_run.starting.model_keys import TOKENS_A_WORD, USUAL_TOKENS_A_WORD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ml_run.config import Config

_MOST_ROWS = 2_049
_SPECIAL_TOKENS = 2
_WINDOWS = 8


def workload(config: Config) -> Work | None:
    """Rows and tokens of the training that the config describes; None where the data is not on this machine."""
    data = config.data
    if is_hub_address(data.train_path):
        return None
    try:
        rows, words, exact = _look(Path(data.train_path), _text_fields(config))
        val = _look(Path(data.val_path), ())[0] if data.val_path and not is_hub_address(data.val_path) else None
    except MlRunError:
        return None  # check-data says what is wrong with a file
    taken = data.val_share if val is None else 0.0
    kept = 1 - taken - (0.0 if data.test_path else data.test_share)
    rate = TOKENS_A_WORD.get(data.language or "", USUAL_TOKENS_A_WORD)
    limit = config.model.max_length * (_WINDOWS if config.model.long_text == "windows" else 1)
    lengths = [min(limit, round(rate * count) + _SPECIAL_TOKENS) for count in words] or [limit]
    return Work(
        train_rows=max(1, round(rows * kept)),
        val_rows=round(rows * taken) if val is None else val,
        tokens=sum(lengths) / len(lengths),
        exact=exact,
    )


def _text_fields(config: Config) -> tuple[str, ...]:
    named = config.data.text_field
    return (named,) if isinstance(named, str) else tuple(named or ())


def _look(path: Path, fields: tuple[str, ...]) -> tuple[int, list[int], bool]:
    """Rows of a file, words of the first ones, and whether the rows were counted to the last."""
    source = stream(path, path.name)
    fields = fields or tuple(name for name in (TEXT, *TEXT_ALTERNATIVES) if name in source.fields)[:1]
    records = source.records(fields)
    seen = [one.values for one in islice(records, _MOST_ROWS) if isinstance(one, RawRow)]
    exact = next(iter(records), None) is None
    rows = len(seen) if exact else round(len(seen) / max(source.done, 1e-9))
    return rows, [_words(values, fields) for values in seen], exact


def _words(values: Mapping[str, Any], fields: tuple[str, ...]) -> int:
    return sum(len(str(values.get(name) or "").split()) for name in fields)
