"""Which fields hold text, label and group: by known names, else by what the fields hold; never by chance."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.config import DataConfig
from ml_run.errors import NotReadyError, UsageError
from ml_run.quality.fields import (
    LABEL,
    LABEL_ALTERNATIVES,
    TEXT,
    TEXT_ALTERNATIVES,
    choose_fields,
    field_names,
    shape_hint,
)
from ml_run.starting.looks import Look, look_at
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reading import Source

_GROUPS = frozenset(
    f"{what}{ending}"
    for what in ("speaker", "author", "user", "document", "doc", "article", "thread", "conversation", "video", "source",
                 "domain", "site", "outlet", "publisher", "channel", "page")
    for ending in ("", "_id", "_name")
)  # fmt: skip
_NO_LABELS = _GROUPS | {
    "split", "set", "subset", "partition", "fold", "register", "language", "lang", "country", "region", "date", "year",
    "timestamp", "created_at", "url", "id", "batch", "annotation_batch", "annotation_method", "annotator", "confidence",
    "gold_id", "silver_id", "index",
}  # fmt: skip
"""Fields of few values that say where a row comes from, not what it is: no guess takes one for the label."""
_SPLIT_FIELDS = ("split", "set", "subset", "partition")
_MOST_LABELS = 1000
_MOST_GUESSED, _ROWS_A_GUESSED_LABEL = 50, 5
_MOST_LABEL_CHARACTERS = 40
_FEWEST_JUDGED = 20
_MOSTLY = 0.9
_TIMES_LONGER = 3
_FEWEST_TEXT_CHARACTERS = 10
_FEWEST_GROUPS, _LARGEST_GROUP, _ROWS_A_GROUP = 20, 0.1, 1.5
_MOST_NAMED, _MOST_BESIDE = 6, 2


@dataclass(frozen=True)
class Chosen:
    """A field, or several, and the evidence for it."""

    names: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Roles:
    """What the fields of the data are for."""

    text: Chosen
    label: Chosen
    group: Chosen | None
    """What divides the rows into groups that must stay together; None: nothing does."""
    notes: tuple[str, ...]
    """What else the fields may be good for."""


def choose_roles(sources: dict[str, Source], text: Sequence[str], label: str | None) -> Roles:
    """Say which field is what.

    Args:
        sources: by split; train is there.
        text: `--text-field`, as often as given.
        label: `--label-field`.

    Raises:
        UsageError: a field that is named is not there.
        NotReadyError: a file has no rows; no field, or more than one, could be meant; files differ in their fields.
    """
    for source in sources.values():
        if not source.fields:
            raise _nothing(source)
    for option, names in (("--text-field", text), ("--label-field", [label] if label else [])):
        _refuse_absent(option, names, sources)
    train, looks = sources["train"], look_at(sources["train"])
    common = {name: look for name, look in looks.items() if all(name in other.fields for other in sources.values())}
    texts = Chosen(tuple(text), "as named by --text-field") if text else _text(common, label, sources)
    labels = Chosen((label,), _evidence(looks[label])) if label else _label(common, texts.names, sources)
    _refuse_no_classes(looks[labels.names[0]], train)
    others = {name: look for name, look in common.items() if name not in {*texts.names, *labels.names}}
    group, notes = _group(others)
    return Roles(texts, labels, group, (*_split_notes(looks), *notes))


def _nothing(source: Source) -> NotReadyError:
    """What a file without a field is, as a run would say it, but that no config names it yet."""
    try:
        choose_fields(DataConfig(train_path=source.name), {"train": source})
    except NotReadyError as error:
        return NotReadyError(error.found, where=error.where, remedy=error.remedy.replace(" in the config", ""))
    raise AssertionError("a source without fields has no text")


def _refuse_absent(option: str, names: Sequence[str], sources: dict[str, Source]) -> None:
    for name in names:
        for source in sources.values():
            if name not in source.fields:
                remedy = f"its fields are: {field_names(source)}"
                raise UsageError(f"{source.name} has no field {name!r}", where=option, remedy=remedy)


# --- the text -------------------------------------------------------------------------------------------------------


def _text(looks: dict[str, Look], label: str | None, sources: dict[str, Source]) -> Chosen:
    known = _known(TEXT, TEXT_ALTERNATIVES, looks, sources)
    found = [look for look in looks.values() if look.name in known and look.name != label and look.wordlike]
    other = [look for look in looks.values() if look.name not in known and look.name != label and _is_text(look)]
    ranked = sorted(found or other, key=lambda look: -look.characters)
    if not ranked:
        raise _none("text", TEXT, looks, sources)
    first, rest = ranked[0], ranked[1:]
    if rest and first.characters < _TIMES_LONGER * rest[0].characters:
        raise _several("text", ranked, [f"median {_length(look)}" for look in ranked])
    beside = sorted((look for look in looks.values() if look is not first and look.name != label and _is_text(look)),
                    key=lambda look: -look.characters)[:1]  # fmt: skip
    why = f"median {_length(first)}" + ("" if found else "; no field has a known name, and this one holds text")
    for look in beside:
        why += f"; `{visible(look.name)}` is text as well ({_length(look)}): to read both, text_field: "
        why += f"[{visible(look.name)}, {visible(first.name)}]"
    return Chosen((first.name,), why)


def _is_text(look: Look) -> bool:
    most_differ = look.values > look.filled / 2
    return most_differ and look.wordlike > 1 / 2 and look.characters >= _FEWEST_TEXT_CHARACTERS


def _length(look: Look) -> str:
    if look.words > 1:
        return number_of(round(look.words), "word")
    return number_of(round(look.characters), "character")


# --- the label ------------------------------------------------------------------------------------------------------


def _label(looks: dict[str, Look], texts: tuple[str, ...], sources: dict[str, Source]) -> Chosen:
    known = [name for name in _known(LABEL, LABEL_ALTERNATIVES, looks, sources) if name not in texts]
    guessed = [look for look in looks.values() if look.name not in texts and _could_be_label(look)]
    candidates = [looks[name] for name in known] or guessed
    if not candidates:
        raise _none("label", LABEL, looks, sources, texts)
    if len(candidates) > 1:
        raise _several("label", candidates, [number_of(look.values, "value") for look in candidates])
    chosen = candidates[0]
    beside = [look for look in looks.values() if look is not chosen and 1 < look.values <= look.filled / 2]
    beside = sorted(beside, key=lambda look: look.values)[:_MOST_BESIDE]
    why = _evidence(chosen) + "".join(f"; `{visible(look.name)}` has {look.values:,}" for look in beside)
    return Chosen((chosen.name,), why + ("" if known else "; no field has a known name, and no other could be a class"))


def _evidence(look: Look) -> str:
    return number_of(look.values, "value")


def _could_be_label(look: Look) -> bool:
    if look.name.lower() in _NO_LABELS or look.fractions or look.compound or look.filled < _MOSTLY * look.rows:
        return False
    few = 1 < look.values <= min(_MOST_GUESSED, look.filled / _ROWS_A_GUESSED_LABEL)
    return few and look.characters <= _MOST_LABEL_CHARACTERS


def _refuse_no_classes(look: Look, train: Source) -> None:
    if look.compound:
        found = f"the label {look.name!r} is a list or an object in {number_of(look.compound, 'row')}"
        raise NotReadyError(found, where=train.name, remedy="give each row one label: a text is of one class here")
    if look.filled >= _FEWEST_JUDGED and look.values > min(_MOST_LABELS, look.filled / 2):
        raise NotReadyError(
            f"the label {look.name!r} has {look.values:,} different values in {number_of(look.filled, 'row')}: "
            "these are no classes",
            where=train.name,
            remedy="name the field that holds the class: ml-run init DATA --label-field NAME",
        )
    if look.values < 2:  # noqa: PLR2004 -- a classifier tells two classes apart, or more
        value = f"all rows have the label {next(iter(look.counts))!r}" if look.values else "no row has a label"
        raise NotReadyError(
            f"{value} in {look.name!r}",
            where=train.name,
            remedy="a classifier needs two classes or more: label rows of another one, or name another field with "
            "--label-field",
        )


# --- groups and splits ----------------------------------------------------------------------------------------------


def _group(looks: dict[str, Look]) -> tuple[Chosen | None, list[str]]:
    """The field whose groups should stay together, and what the others of that kind are good for."""
    notes: list[str] = []
    for look in looks.values():
        if look.name.lower() not in _GROUPS or look.values < 2 or look.filled / look.values < _ROWS_A_GROUP:  # noqa: PLR2004
            continue
        largest = max(look.counts.values()) / look.filled
        if look.values >= _FEWEST_GROUPS and largest <= _LARGEST_GROUP:
            why = f"{number_of(look.values, 'group')}, the largest with {largest:.0%} of the rows"
            return Chosen((look.name,), why), notes
        notes.append(
            f"`{visible(look.name)}` says where rows come from ({number_of(look.values, 'value')}), too few or too "
            "large to divide by; to see what a model makes of a source it has not met: data.group_field with "
            "evaluation.holdout_group"
        )
    return None, notes


def _split_notes(looks: dict[str, Look]) -> list[str]:
    return [
        f"`{visible(look.name)}` seems to name splits ({', '.join(sorted(map(visible, look.counts)))}), which is not "
        "read: to keep them, write one file a split"
        for look in looks.values()
        if look.name.lower() in _SPLIT_FIELDS and 1 < look.values <= _MOST_NAMED and "train" in look.counts
    ]


# --- refusals -------------------------------------------------------------------------------------------------------


def _known(
    default: str, alternatives: tuple[str, ...], looks: dict[str, Look], sources: dict[str, Source]
) -> list[str]:
    """The default where any source has it, else the alternatives that all have.

    Raises:
        NotReadyError: some have the default, or the only alternative, and others do not.
    """
    for names in ([default], list(alternatives)):
        if present := [name for name in names if name in looks]:
            return present
        for name in names:
            having = [source for source in sources.values() if name in source.fields]
            if having:
                lacking = next(source for source in sources.values() if name not in source.fields)
                raise NotReadyError(
                    f"there is no field {name!r}, which {having[0].name} has; its fields are: {field_names(lacking)}",
                    where=lacking.name,
                    remedy="give the field one name in all files" + shape_hint(lacking),
                )
    return []


def _none(
    what: str, default: str, looks: dict[str, Look], sources: dict[str, Source], texts: tuple[str, ...] = ()
) -> NotReadyError:
    train = sources["train"]
    if len(sources) > 1 and not looks:
        named = "; ".join(f"{source.name}: {field_names(source)}" for source in sources.values())
        return NotReadyError(
            f"the files have no field in common ({named})", remedy="give the fields one name in all files"
        )
    seen = ", ".join(
        f"{visible(look.name)} ({number_of(look.values, 'value')})"
        for look in list(looks.values())[:_MOST_NAMED]
        if look.name not in texts
    )
    rows = number_of(next(iter(looks.values())).rows, "row")
    return NotReadyError(
        f"no field could be the {what}: in {rows} there are {seen or 'no others'}",
        where=train.name,
        remedy=f"add a field {default!r}, or say which it is: ml-run init DATA --{what}-field NAME" + shape_hint(train),
    )


def _several(what: str, looks: Sequence[Look], told: Sequence[str]) -> NotReadyError:
    named = [f"{visible(look.name)} ({said})" for look, said in zip(looks, told, strict=True)][:_MOST_NAMED]
    option = f"--{what}-field {shlex.quote(looks[0].name)}"
    remedy = f"say which: ml-run init DATA {visible(option)}, for instance"
    return NotReadyError(f"{listed(named)} could each be the {what}", remedy=remedy)
