"""Files read row by row hold what they hold when read as a whole, wherever the reader's portions end."""

import gzip
import random

import pytest

from ml_run.errors import NotReadyError, UsageError
from ml_run.reading import Fault, RawRow
from ml_run.reading.sources import read_file
from ml_run.reading.streaming import stream

LINES = 25_000
"""More than two portions of a table."""


def streamed(path):
    found = stream(path, path.name)
    every = list(found.records(found.fields))
    assert found.done == 1.0
    rows = [one for one in every if isinstance(one, RawRow)]
    return found, rows, [one for one in every if isinstance(one, Fault)]


def check_same(path):
    """Rows, their lines and what is wrong with the others are those of the file read as a whole."""
    whole = read_file(path, path.name)
    found, rows, faults = streamed(path)
    assert found.fields == whole.fields
    assert rows == whole.rows
    notes = [found.note] if found.note else []
    assert [one for one in [*notes, *faults] if one.line or one.rule == "quoting"] == [
        one for one in whole.faults if one.line or one.rule == "quoting"
    ]
    return rows, faults


def table(seed, *, odd):
    """Lines of a table; where `odd` says so, a record over several lines, or one that is broken."""
    chance = random.Random(seed)
    lines = ["text,label,n"]
    while len(lines) < LINES:
        number = len(lines)
        if chance.random() >= odd:
            lines.append(f"erey {number},a,{number}")
        else:
            kinds = [
                *[f'"laba, ""sadar"" ah {number}",b,{number}'] * 3,
                *[f'"sadar kale {number}\n\n dhammaad",c,{number}'] * 3,
                f"wax badan,{number},d,e",
                "",
                f'"furan{number},d,e',
                "text,label,n",
            ]
            lines.append(chance.choice(kinds))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_table_is_the_same_in_portions(tmp_path, seed):
    """Records over several lines, quotes that are never closed, and broken lines, also where a portion ends."""
    (tmp_path / "t.csv").write_text(table(seed, odd=0.01), "utf-8")
    rows, faults = check_same(tmp_path / "t.csv")
    assert len(rows) > LINES * 0.98
    assert {fault.rule for fault in faults} == {"unreadable_line", "blank_line"}


def test_a_record_that_a_portion_cuts_is_whole(tmp_path):
    """A text of many lines that begins before the end of a portion and ends in the next is one row."""
    long = "\n".join(f"sadar {number}" for number in range(3000))
    before = "\n".join(f"erey,{number}" for number in range(9000))
    (tmp_path / "t.csv").write_text(f'text,n\n{before}\n"{long}",x\nerey,y\n')
    rows, faults = check_same(tmp_path / "t.csv")
    assert (rows[9000].line, rows[9000].values["text"], rows[9001].line) == (9002, long, 12002)
    assert faults == []


def test_quotes_are_judged_by_the_whole_file(tmp_path):
    """Where quotes turn out to be characters only far into the file, the first rows are read so, too."""
    lines = [f'erey "{number}" ah\tb' for number in range(12_000)]
    lines += [f'"furan {number} \tb' if number % 3 else f"erey\t{number}" for number in range(9000)]
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "\n".join(lines))
    rows, faults = check_same(tmp_path / "t.tsv")
    assert (len(rows), faults) == (21_000, [])
    assert stream(tmp_path / "t.tsv", "t.tsv").note.rule == "quoting"


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_json_lines_are_the_same(tmp_path, name):
    """Marks, blank lines, broken lines and bytes that are not UTF-8 in a file of JSON lines."""
    good = [b'{"text": "erey %d", "id": %d}' % (n, n) for n in range(3000)]
    content = b"\xef\xbb\xbf" + b"\n".join([*good, b"", b"x", b'{"text": "\xff"}', b"[1]", "\ufeff{}".encode(), *good])
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    rows, faults = check_same(tmp_path / name)
    assert (len(rows), len(faults)) == (6001, 5)


@pytest.mark.parametrize("name", ["t.parquet", "t.parquet.gz"])
def test_parquet_is_the_same(tmp_path, name):
    """Rows of several batches, and one whose text is not UTF-8."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.array([b"erey"] * 6000 + [b"gaar\xe9"] + [b"xarriiq"] * 3000).view(pa.string())
    written = pa.table({"text": texts, "n": list(range(9001))})
    pq.write_table(written, tmp_path / "t.parquet", row_group_size=5000)
    if name.endswith("gz"):
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / "t.parquet").read_bytes()))
    rows, faults = check_same(tmp_path / name)
    assert (len(rows), [fault.line for fault in faults]) == (9000, [6001])
    found = stream(tmp_path / name, name)
    assert next(iter(found.records(("n",)))).values == {"n": 0}


@pytest.mark.parametrize(
    ("name", "content", "kind", "found"),
    [
        ("t.csv", b"", NotReadyError, "the file is empty"),
        ("t.csv", b"a,a\n1,2\n", NotReadyError, "the header names the field 'a' twice"),
        ("t.csv", b'"a,b\n1,2\n', NotReadyError, "the file has no header line"),
        ("t.jsonl", b'[{"text": "a"}]', NotReadyError, "the file is one JSON list, not one object a line"),
        ("t.jsonl.gz", b"abc", NotReadyError, "the file is not packed by gzip"),
        ("t.parquet", b"abc", NotReadyError, "not a parquet file that can be read"),
        ("t.xml", b"abc", UsageError, "the format of t.xml is not known"),
    ],
)
def test_what_is_no_such_file_is_refused_as_it_is_opened(tmp_path, name, content, kind, found):
    """Before any row is read it is said that a file cannot be, and why."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=found):
        stream(tmp_path / name, name)
