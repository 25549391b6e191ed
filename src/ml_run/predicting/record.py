"""What came of a job, as it is printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.results import Record
from ml_run.wording import duration, listed, number_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 9_500
_MOST_LABELS = 12


class Predicted(Record):
    """The end of a job."""

    status: str = "finished"
    exit_code: int = 0
    input: str
    out: str
    rows: int
    rejected: int
    """Rows left out."""
    reasons: dict[str, int]
    """Of these, by the rule that each broke."""
    rejected_path: str | None
    labels: dict[str, int]
    """Rows of each label that was predicted, most frequent first."""
    labels_omitted: int = 0
    """Labels left out of this object, the rarest, to keep it short."""
    abstained: int
    abstain_below: float | None
    model: str
    """Version of the registered model, or the ID of a run."""
    text_fields: tuple[str, ...]
    resumed_after: int
    """Rows that were there when this process began."""
    seconds: float
    """Time spent, in all the processes that had a part in it."""
    rows_per_second: float
    """Of this process, since the model was loaded."""
    synthetic: bool
    """The model was trained on SYNTHETIC data."""

    def told(self) -> dict[str, object]:
        """The object that `--json` prints, under 10,000 characters."""
        told = self.model_dump(mode="json")
        while len(json.dumps(told, ensure_ascii=False, indent=2)) > _LONGEST and told["labels"]:
            kept = dict(list(told["labels"].items())[: len(told["labels"]) * 3 // 4])
            told |= {"labels": kept, "labels_omitted": len(self.labels) - len(kept)}
        return told


def predicted_lines(result: Predicted) -> Iterator[str]:
    """The same for people, line by line."""
    left_out = f"; {number_of(result.rejected, 'row')} left out: {result.rejected_path}" if result.rejected else ""
    yield f"predicted  {number_of(result.rows, 'row')} of {result.input}{left_out}"
    if result.synthetic:
        yield "           SYNTHETIC data: a smoke test of the tool, no claim about any language"
    yield f"model      {'version ' if result.model.isdigit() else ''}{result.model}"
    shown = [f"{visible(label)} {count:,}" for label, count in list(result.labels.items())[:_MOST_LABELS]]
    more = len(result.labels) - len(shown)
    yield f"labels     {listed([*shown, f'{more} more'] if more else shown)}"
    if result.abstain_below is not None:
        share = percent(result.abstained / result.rows)
        yield f"abstained  {result.abstained:,} ({share}), confidence below {result.abstain_below:g}"
    resumed = f", the first {number_of(result.resumed_after, 'row')} before" if result.resumed_after else ""
    yield f"written    {result.out}  ({duration(result.seconds)}, {result.rows_per_second:,.0f} rows/s{resumed})"
