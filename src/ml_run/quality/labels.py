"""Labels: tidied as configured, and judged whether each class can be learned and tested."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ml_run.errors import ConfigError, UsageError
from ml_run.languages import normalise
from ml_run.quality.rows import Row, Splits, every_row, sighting, total
from ml_run.quality.rules import Checks, Sighting, finding
from ml_run.results import Finding
from ml_run.wording import number_of

_GOOD_RECALL = 0.8
"""The recall by which the interval of a small class is shown."""
_MOST_SHOWN = 12
_INTEGER = re.compile(r"-?\d{1,18}")
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
"""A whole number as programs write it where a column holds nothing in some rows."""


def tidy_labels(splits: Splits, label_map: Mapping[str, str]) -> tuple[Splits, list[Finding]]:
    """Take blanks off labels, then replace those that `label_map` names; all others stay as they are."""
    padded = [row for row in every_row(splits) if row.label != row.label.strip()]
    used: set[str] = set()
    tidied = {name: [_tidied(row, label_map, used) for row in rows] for name, rows in splits.items()}
    found = []
    if padded:
        message = f"{number_of(len(padded), 'label')} had blanks around them, which were taken off"
        seen = map(sighting, padded)
        found.append(finding("label_whitespace", "info", message, seen, count=len(padded), total=total(splits)))
    if unused := [label for label in label_map if label not in used]:
        message = f"no row has the label {_quoted(unused)} that data.label_map names"
        found.append(finding("label_map_unused", "warning", message, count=len(unused)))
    return tidied, found


def _tidied(row: Row, label_map: Mapping[str, str], used: set[str]) -> Row:
    label = row.label.strip()
    if label in label_map:
        used.add(label)
        label = label_map[label]
    return row if label == row.label else replace(row, label=label)


def sorted_labels(splits: Splits) -> tuple[str, ...]:
    """All labels in the order of their ids."""
    return in_order(row.label for row in every_row(splits))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Different labels: by number when all are integers, else by character."""
    labels = set(names)
    if all(_INTEGER.fullmatch(label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def class_counts(splits: Splits, labels: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Rows of each label in each split, 0 where absent."""
    counted = {name: Counter(row.label for row in rows) for name, rows in splits.items()}
    return {name: {label: counts[label] for label in labels} for name, counts in counted.items()}


def check_number_of_labels(splits: Splits, labels: tuple[str, ...], num_labels: int | None) -> None:
    """Compare the data with `model.num_labels`.

    Raises:
        ConfigError: they differ; names both numbers, the labels found, and where those too many first stand.
    """
    if num_labels is None or num_labels == len(labels):
        return
    hints = [f"{_quoted(group)} may be the same: map them in data.label_map" for group in _variants(labels)]
    if len(labels) > num_labels:
        hints.append(f"look at the rarest: {_rarest(splits, len(labels) - num_labels)}")
    hints.append(f"otherwise set model.num_labels: {len(labels)}, leave it out, or check data.label_field")
    fault = UsageError(
        f"model.num_labels is {num_labels}, but the data has {number_of(len(labels), 'label')}: {_quoted(labels)}",
        where="model.num_labels",
        remedy="; ".join(hints),
    )
    raise ConfigError([fault])


def _rarest(splits: Splits, how_many: int) -> str:
    counts = Counter(row.label for row in every_row(splits))
    first: dict[str, Row] = {}
    for row in every_row(splits):
        first.setdefault(row.label, row)
    rare = sorted(counts, key=lambda label: (counts[label], label))[: min(how_many, 3)]
    places = (f"{number_of(counts[label], 'row')}, line {first[label].line} of {first[label].file}" for label in rare)
    return ", ".join(f"{label!r} ({place})" for label, place in zip(rare, places, strict=True))


# --- findings -------------------------------------------------------------------------------------------------------


def label_findings(
    splits: Splits, counts: Mapping[str, Mapping[str, int]], checks: Checks, emptied: frozenset[str] = frozenset()
) -> list[Finding]:
    """All findings about labels and their classes.

    Args:
        splits: the rows that are used.
        counts: as `class_counts` gives them.
        checks: limits.
        emptied: labels that train had, until its copies of val and test rows were left out.
    """
    found = [
        _variant_finding(splits),
        _single_finding(splits, counts),
        _eval_only_finding(splits, counts, emptied),
        _too_small_finding(counts, checks),
        _small_finding(counts, checks),
        _imbalance_finding(counts["train"], checks),
    ]
    return [one for one in found if one is not None]


def _variants(labels: tuple[str, ...]) -> list[list[str]]:
    """Groups of labels that differ only by case, blanks or Unicode form, or are one number (1 and 1.0)."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        form = normalise(unicodedata.normalize("NFKC", label), None)
        form = "".join(form.split())
        groups[_WHOLE.sub(r"\1", form)].append(label)
    return [group for group in groups.values() if len(group) > 1]


def _variant_finding(splits: Splits) -> Finding | None:
    counts = Counter(row.label for row in every_row(splits))
    groups = [sorted(group, key=lambda label: (-counts[label], label)) for group in _variants(tuple(counts))]
    if not groups:
        return None
    rare = {label: group[0] for group in groups for label in group[1:]}
    rows = [row for row in every_row(splits) if row.label in rare]
    described = "; ".join(" and ".join(f"{label!r} ({counts[label]:,})" for label in group) for group in groups)
    mapping = ", ".join(f"{label!r}: {kept!r}" for label, kept in rare.items())
    return finding(
        "label_variants",
        "error",
        f"labels differ only by case, blanks or Unicode form: {described}",
        map(sighting, rows),
        count=len(rows),
        total=total(splits),
        remedy=f"if they mean the same, write data.label_map: {{{mapping}}}",
    )


def _single_finding(splits: Splits, counts: Mapping[str, Mapping[str, int]]) -> Finding | None:
    labels = list(counts["train"])
    if len(labels) > 1:
        return None
    return finding("single_label", "error", f"all rows have the label {_quoted(labels)}", count=total(splits))


def _eval_only_finding(
    splits: Splits, counts: Mapping[str, Mapping[str, int]], emptied: frozenset[str]
) -> Finding | None:
    absent = [label for label, count in counts["train"].items() if count == 0]
    if not absent:
        return None
    unseen = set(absent)  # where ids are taken for labels, there are many
    rows = [row for row in every_row(splits) if row.label in unseen]
    never, left_out = [[label for label in absent if (label in emptied) is gone] for gone in (False, True)]
    parts = []
    if never:
        parts.append(f"{_quoted(never)} {'occurs' if len(never) == 1 else 'occur'} in val or test, but never in train")
    if left_out:
        parts.append(f"every training row of {_quoted(left_out)} has a copy in val or test, and was left out for it")
    seen = map(sighting, rows)
    remedy = None if never else "give train other rows than val and test: make the splits again, or add training rows"
    return finding(
        "label_only_in_eval", "error", "; ".join(parts), seen, count=len(rows), total=total(splits), remedy=remedy
    )


def _too_small_finding(counts: Mapping[str, Mapping[str, int]], checks: Checks) -> Finding | None:
    fewest = checks.limit("class_too_small.rows")
    small = [
        (split, label, count) for split in ("train", "test") for label, count in counts[split].items() if count < fewest
    ]
    if not small:
        return None
    message = f"fewer than {number_of(int(fewest), 'row')} of a class: {_sizes(small)}"
    return finding("class_too_small", "error", message, _class_sightings(small), count=len(small))


def _small_finding(counts: Mapping[str, Mapping[str, int]], checks: Checks) -> Finding | None:
    fewest, enough = checks.limit("class_too_small.rows"), checks.limit("class_small.rows")
    small = [("test", label, count) for label, count in counts["test"].items() if fewest <= count < enough]
    smallest = min((count for _, _, count in small), default=0)
    small += [("val", label, 0) for label, count in counts["val"].items() if count == 0]
    if not small:
        return None
    message = f"fewer than {number_of(int(enough), 'test row')} of a class, or none in val: {_sizes(small)}"
    message += f"; {_worth(smallest)}" if smallest else ""
    return finding("class_small", "warning", message, _class_sightings(small), count=len(small))


def _worth(rows: int) -> str:
    """What the 95 % interval (Wilson's) of a good recall on so many rows leaves open."""
    from ml_run.statistics import wilson

    recall = wilson(round(_GOOD_RECALL * rows), rows)
    return (
        f"with {rows} rows a recall of {recall.value:.2f} could be anything from {recall.low:.2f} to {recall.high:.2f}"
    )


def _imbalance_finding(train: Mapping[str, int], checks: Checks) -> Finding | None:
    present = {label: count for label, count in train.items() if count}
    if not present:
        return None
    largest, smallest = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    ratio = present[largest] / present[smallest]
    if ratio <= checks.limit("imbalance.ratio"):
        return None
    sizes = f"{largest!r} has {present[largest]:,} training rows, {smallest!r} {present[smallest]:,}"
    message = f"{sizes}: {ratio:.0f} times as many"
    return finding("imbalance", "warning", message, count=present[smallest], total=sum(present.values()))


def _sizes(classes: list[tuple[str, str, int]]) -> str:
    shown = ", ".join(f"{label} {count} in {split}" for split, label, count in classes[:_MOST_SHOWN])
    more = len(classes) - _MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _class_sightings(classes: list[tuple[str, str, int]]) -> list[Sighting]:
    return [Sighting(split, label=label, text=number_of(count, "row")) for split, label, count in classes]


def _quoted(labels: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(map(repr, labels[:_MOST_SHOWN]))
    return f"{shown} and {len(labels) - _MOST_SHOWN} more" if len(labels) > _MOST_SHOWN else shown
