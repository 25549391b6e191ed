"""Rows with defects written as files of every format, and the line that each of them came to stand on."""

import csv
import gzip
import io
import json
from dataclasses import dataclass

FORMATS = ("jsonl", "jsonl.gz", "csv", "tsv", "parquet")


@dataclass(eq=False)
class Item:
    """What becomes one row, or one line that is none."""

    values: dict
    rules: tuple[str, ...] = ()
    """Those that must point at it."""
    broken: bool = False
    """Only the first half of its line is there; with no values, a blank line."""


Files = dict[str, list[Item]]
_STRINGS = {"wrong_type": "all fields are strings"}
_LINES = {"quoting": "quotes belong to the format, and are the same in every file"}
IMPOSSIBLE = {
    "jsonl": _LINES,
    "jsonl.gz": _LINES,
    "csv": _STRINGS,
    "tsv": _STRINGS,
    "parquet": {
        "unreadable_line": "there are no lines",
        "blank_line": "there are no lines",
        "bom": "it is no text file",
        "quoting": "it is no text file",
        "wrong_type": "a column has one type for all rows",
    },
}
"""Rules that nothing can fall under in a format, and why."""


def write(folder, files: Files, form: str, *, bom: str = "", quoting: bool = True) -> dict[str, list[str]]:
    """Write `data/SPLIT.FORM`; returns where each rule's rows stand, as `FILE:LINE` in the order of the splits.

    Args:
        folder: the project folder.
        files: what to write; not all can be written in each format.
        form: one of `FORMATS`.
        bom: the split whose file begins with a byte order mark.
        quoting: whether tables quote their fields.
    """
    places: dict[str, list[str]] = {}
    for split, planted in files.items():
        name = f"data/{split}.{form}"
        items = [item for item in planted if IMPOSSIBLE[form].keys().isdisjoint(item.rules)]
        content, lines = _content(items, form, quoting=quoting)
        marked = b"\xef\xbb\xbf" + content if split == bom and "bom" not in IMPOSSIBLE[form] else content
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(marked) if form.endswith(".gz") else marked)
        for item, line in zip(items, lines, strict=True):
            for rule in item.rules:
                places.setdefault(rule, []).append(f"{name}:{line}")
        if split == bom:
            places["bom"] = [name]
        if split == "train" and not quoting:
            places["quoting"] = [name]
    return places


def _content(items, form, *, quoting):
    if form == "parquet":
        return _parquet(items), range(1, len(items) + 1)
    if form.startswith("jsonl"):
        texts, first = [json.dumps(item.values, ensure_ascii=False) if item.values else "" for item in items], 1
    else:
        texts, first = _table(items, "\t" if form == "tsv" else ",", quoting=quoting), 2
    texts = [text[: len(text) // 2] if item.broken else text for item, text in zip(items, texts, strict=True)]
    lines = []
    for text in texts:
        lines.append(first)
        first += text.count("\n") + 1
    header = "" if form.startswith("jsonl") else ("\t" if form == "tsv" else ",").join(items[0].values) + "\n"
    return (header + "\n".join(texts) + "\n").encode("utf-8", "surrogateescape"), lines


def _table(items, delimiter, *, quoting):
    texts = []
    for item in items:
        fields = ["" if value is None else str(value) for value in item.values.values()]
        if quoting:
            file = io.StringIO()
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerow(fields)
            texts.append(file.getvalue().removesuffix("\n"))
        else:
            texts.append(delimiter.join(fields))
    return texts


def _parquet(items):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [item.values[name] for item in items] for name in items[0].values}
    columns = {name: _column(values) if name == "text" else values for name, values in columns.items()}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def _column(values):
    """Texts as bytes that are called text: some are not UTF-8."""
    import pyarrow as pa

    return pa.array([value.encode("utf-8", "surrogateescape") for value in values], pa.binary()).view(pa.string())
