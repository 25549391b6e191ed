import codecs
import csv
import gzip
import io
import json
import random
import tracemalloc

import pytest

from conftest import SHARED
from ml_run.config import Config, DataConfig
from ml_run.errors import ConfigError, ExitCode, NotReadyError
from ml_run.reading import RawRow, read_sources, source_fingerprint
from ml_run.reading.hub import load, pick, rows_of
from ml_run.reading.sources import read_file

HEADER = "text,label\n"


def _read(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_file(path, name)


def _seen(source):
    return [(fault.rule, fault.line, fault.problem) for fault in source.faults]


def _texts(source):
    return [(row.line, row.values["text"]) for row in source.rows]


# --- JSON lines -----------------------------------------------------------------------------------------------------


def test_jsonl_rows_keep_their_physical_line(tmp_path):
    """A row is named by the line it stands on, blank lines and Windows line ends notwithstanding."""
    source = _read(tmp_path, "a.jsonl", '{"text": "a"}\r\n\n  \n{"text": "b", "label": "x"}')
    assert _texts(source) == [(1, "a"), (4, "b")]
    assert source.fields == ("text", "label")
    assert [fault.line for fault in source.faults] == [2, 3]
    assert {fault.rule for fault in source.faults} == {"blank_line"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": "a"', "not valid JSON: Expecting ',' delimiter at column 13"),
        ('{"text": "a"},', "not valid JSON: more stands behind the value, from column 14"),
        ('{"text": "a\0"}', "not valid JSON: Invalid control character at column 12"),
        ("text: a", "not valid JSON: Expecting value at column 1"),
        ('["a", "b"]', "it is a list, not an object"),
        ('"a"', "it is a string, not an object"),
        ("7", "it is a number, not an object"),
        ("true", "it is true or false, not an object"),
        ("null", "it is null, not an object"),
        ('{"a": ' * 30_000, "not valid JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_broken_line_costs_itself_only(tmp_path, line, problem):
    """A line that is no JSON object is kept with its number and what is wrong; its neighbours are read."""
    source = _read(tmp_path, "a.jsonl", f'{{"text": "a"}}\n{line}\n{{"text": "c"}}\n')
    assert _texts(source) == [(1, "a"), (3, "c")]
    [fault] = source.faults
    assert (fault.rule, fault.line, fault.raw) == ("unreadable_line", 2, line)
    assert fault.problem.startswith(problem)


def test_strings_that_look_like_nothing_stay_strings(tmp_path):
    """`NA`, `no` and `null` are words: they are never read as null or false."""
    words = ["NA", "no", "null", "None", "nan", "true", "", "1"]
    jsonl = "".join(json.dumps({"text": word}) + "\n" for word in words)
    assert [row.values["text"] for row in _read(tmp_path, "a.jsonl", jsonl).rows] == words
    table = HEADER + "".join(f"{word},x\n" for word in words)
    assert [row.values["text"] for row in _read(tmp_path, "a.csv", table).rows] == words


def test_nan_in_json_is_a_missing_value(tmp_path):
    """NaN is no JSON value, though Python writes it: it counts as nothing."""
    assert _read(tmp_path, "a.jsonl", '{"text": NaN}').rows == [RawRow(1, {"text": None})]


def test_half_a_surrogate_pair_is_no_text(tmp_path):
    """An escape that no file can hold as UTF-8 is refused by line; a whole pair is a character."""
    source = _read(tmp_path, "a.jsonl", '{"text": "\\ud83d\\ude00"}\n{"text": "x\\ud83d"}\n')
    assert _texts(source) == [(1, "😀")]
    assert _seen(source) == [("encoding", 2, "it holds half of a surrogate pair, which is no character")]


def test_separators_inside_a_text_end_no_line(tmp_path):
    """Only a line feed ends a line: Unicode's own separators belong to the text."""
    source = _read(tmp_path, "a.jsonl", '{"text": "a\u2028b\u0085c"}\n{"text": "d"}\n')
    assert _texts(source) == [(1, "a\u2028b\u0085c"), (2, "d")]


@pytest.mark.parametrize("content", ['[{"text": "a"}, {"text": "b"}]', '[\n  {"text": "a"},\n  {"text": "b"}\n]\n'])
def test_one_json_list_is_named_as_such(tmp_path, content):
    """A file that is one list is refused with the way to turn it into lines, not blamed line by line."""
    with pytest.raises(NotReadyError) as caught:
        _read(tmp_path, "a.jsonl", content)
    assert str(caught.value) == (
        "a.jsonl: the file is one JSON list, not one object a line\n  → turn it into JSON lines, e.g. with jq -c '.[]'"
    )


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_a_byte_order_mark_is_taken_off_and_noted(tmp_path, name):
    """A BOM never becomes part of the first field's name or the first text."""
    content = {"a.jsonl": '{"text": "a"}\n', "a.csv": "text,label\na,x\n", "a.tsv": "text\tlabel\na\tx\n"}[name]
    source = _read(tmp_path, name, codecs.BOM_UTF8 + content.encode())
    assert source.fields[0] == "text"
    assert [fault.rule for fault in source.faults] == ["bom"]
    assert [row.values["text"] for row in source.rows] == ["a"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "caf\xe9"}\n{"text": "c"}\n'),
        ("a.csv", b"text\na\ncaf\xe9\nc\n"),
        ("a.tsv", b"text\tlabel\na\tx\ncaf\xe9\ty\nc\tx\n"),
    ],
)
def test_a_line_in_another_encoding_costs_itself_only(tmp_path, name, content):
    """Bytes that are not UTF-8 are named by line and byte; all other lines are read."""
    source = _read(tmp_path, name, content)
    assert [row.values["text"] for row in source.rows] == ["a", "c"]
    [fault] = source.faults
    assert (fault.rule, fault.line) == ("encoding", 2 if name == "a.jsonl" else 3)
    assert fault.problem.startswith("byte 0xe9 at position ")
    assert fault.problem.endswith(" is not UTF-8; in Windows-1252 it is 'é'")
    assert "caf\\xe9" in fault.raw


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_wide_encoding_is_named(tmp_path, name, encoding):
    """UTF-16 is refused as a whole, with how to convert it."""
    content = {"a.jsonl": '{"text": "a", "label": "b"}\n', "a.csv": "text,label\na,b\n"}[name]
    with pytest.raises(NotReadyError, match="the file is UTF-16 or UTF-32, not UTF-8") as caught:
        _read(tmp_path, name, content.encode(encoding))
    assert "iconv -f UTF-16 -t UTF-8" in caught.value.remedy


def test_a_file_that_is_no_text_is_named(tmp_path):
    """A packed or binary file under a text ending is refused, not read as garbage."""
    with pytest.raises(NotReadyError, match="the file is not text"):
        _read(tmp_path, "a.jsonl", random.Random(1).randbytes(50) + b"\0" * 20 + b"\x01")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet"])
def test_every_format_is_read_packed(tmp_path, name):
    """`.gz` behind any ending gives the same rows."""
    content = _as_format(name, [{"text": "waa maxay", "label": "x"}, {"text": "guri", "label": "y"}])
    plain = _read(tmp_path, name, content)
    packed = _read(tmp_path, f"{name}.gz", gzip.compress(content))
    assert packed.rows == plain.rows
    assert [row.values["label"] for row in plain.rows] == ["x", "y"]


def _as_format(name, rows):
    if name.endswith(".jsonl"):
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file.getvalue()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if name.endswith(".tsv") else ",")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:20] + b"x" * 9])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    """A cut or damaged gzip file is no shorter data set: it is refused as a whole."""
    content = gzip.compress(b"".join(b'{"text": "%d"}\n' % n for n in range(500)))
    with pytest.raises(NotReadyError, match="the gzip file is damaged or cut short"):
        _read(tmp_path, "a.jsonl.gz", damage(content))


def test_a_file_that_only_its_name_calls_packed_is_named(tmp_path):
    """A plain file that ends in .gz is told from a damaged one; an empty one is empty."""
    with pytest.raises(NotReadyError, match="the file is not packed by gzip"):
        _read(tmp_path, "a.jsonl.gz", '{"text": "a"}\n')
    assert _read(tmp_path, "a.jsonl.gz", b"").rows == []


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PAR1\x15\x04", "a parquet file"),
        (b"PK\x03\x04\x14", "an Excel workbook or a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1", "an old Excel workbook"),
        (b"\x1f\x8b\x08", "packed by gzip"),
    ],
)
def test_another_format_under_a_text_ending_is_named(tmp_path, start, what):
    """A workbook that someone called .csv is said to be one, with what to do."""
    with pytest.raises(NotReadyError, match=f"the file is {what}, whatever its name says"):
        _read(tmp_path, "a.csv", start + b"text,label")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_carriage_returns_alone_end_lines(tmp_path, name):
    """Old programs end lines by a carriage return: a file without any line feed is read so, whatever its length."""
    rows = [{"text": f"waa maxay {n}", "label": "x"} for n in range(300)]
    content = _as_format(name, rows).replace(b"\r\n", b"\n").replace(b"\n", b"\r")
    source = _read(tmp_path, name, content)
    assert [row.values["text"] for row in source.rows] == [row["text"] for row in rows]
    assert source.rows[-1].line == 300 + name.endswith("csv")
    assert _read(tmp_path, "b.jsonl", b'{"text":\r"a"}\r' + b" " * 5000 + b'\n{"text": "b"}').rows[1].line == 2


def test_joined_files_are_known_by_what_the_second_began_with(tmp_path):
    """A byte order mark amid JSON lines is taken off and noted, a header amid a table is named; no row is lost."""
    source = _read(tmp_path, "a.jsonl", '{"text": "a"}\n\ufeff{"text": "b"}\n')
    assert _texts(source) == [(1, "a"), (2, "b")]
    assert _seen(source) == [("bom", 2, "a byte order mark begins the line, as where files were joined")]
    source = _read(tmp_path, "a.csv", "text,label\na,x\n\ufefftext,label\nb,y\ntext,y\n")
    assert _texts(source) == [(2, "a"), (4, "b"), (5, "text")]
    assert _seen(source) == [("unreadable_line", 3, "it repeats the header, as where files were joined")]


def test_a_folder_or_missing_file_is_named(tmp_path):
    """What cannot be opened is a clear message, never a traceback."""
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(NotReadyError, match="the file cannot be read: Is a directory"):
        read_file(tmp_path / "a.jsonl", "a.jsonl")
    with pytest.raises(NotReadyError, match="there is no such file"):
        read_file(tmp_path / "b.jsonl", "b.jsonl")


# --- CSV and TSV ----------------------------------------------------------------------------------------------------


def test_quoted_line_breaks_belong_to_the_text(tmp_path):
    """A quoted field may span lines, hold delimiters and doubled quotes; the row is named by its first line."""
    source = _read(tmp_path, "a.csv", 'text,label\n"one\r\ntwo, ""three""\n\nfour",x\nplain,y\n')
    assert _texts(source) == [(2, 'one\r\ntwo, "three"\n\nfour'), (6, "plain")]
    assert source.faults == []


def test_a_record_of_another_width_is_named(tmp_path):
    """A line with too few or too many fields is never shifted into place."""
    source = _read(tmp_path, "a.csv", "text,label\na,x\nb\nc,y,z\nd,y\n")
    assert _texts(source) == [(2, "a"), (5, "d")]
    assert _seen(source) == [
        ("unreadable_line", 3, "it has 1 fields, the header has 2"),
        ("unreadable_line", 4, "it has 3 fields, the header has 2"),
    ]


def test_blank_and_empty_records_are_no_rows(tmp_path):
    """Blank lines and the rows of commas that spreadsheets append are noted, not counted as rows."""
    source = _read(tmp_path, "a.csv", "text,label\na,x\n\n , \n,\n")
    assert _texts(source) == [(2, "a")]
    assert [(fault.rule, fault.line) for fault in source.faults] == [("blank_line", n) for n in (3, 4, 5)]


def test_a_quote_never_closed_costs_its_line_only(tmp_path):
    """An opening quote without its partner does not swallow the rest of a file that does use quoting."""
    good = "".join(f'"gu,ri {n}",x\n' for n in range(20))
    source = _read(tmp_path, "a.csv", HEADER + good + '"broken,y\n' + "".join(f"last {n},y\n" for n in range(5)))
    assert [row.line for row in source.rows] == [*range(2, 22), *range(23, 28)]
    [fault] = source.faults
    assert (fault.rule, fault.line, fault.raw) == ("unreadable_line", 22, '"broken,y')
    assert source.rows[0].values["text"] == "gu,ri 0"


def test_two_stray_quotes_do_not_swallow_the_rows_between(tmp_path):
    """A quote opened in one row and closed in a later one would parse as one row; every row is kept or named."""
    quoted = "".join(f'"a ""word"" {n}"\tpos\n' for n in range(5))
    plain = "".join(f"text {n}\tneg\n" for n in range(5))
    accident = '"opened here\tpos\nlost 1\tneg\nlost 2\tpos\nclosed here"\tneg\n'
    source = _read(tmp_path, "a.tsv", "text\tlabel\n" + quoted + plain + accident)
    assert [row.values["text"] for row in source.rows][-3:] == ["lost 1", "lost 2", 'closed here"']
    assert _seen(source) == [
        (
            "unreadable_line",
            12,
            "a quote opened here is closed on line 15 only, and would swallow the rows between",
        )
    ]


def test_a_text_whose_lines_look_like_records_stays_whole(tmp_path):
    """A quoted text of two lines, each with as many commas as a record, is one row: no value of it is a label."""
    source = _read(tmp_path, "a.csv", 'text,label\n"Salaan, saaxiib\nnabad",x\nguri,x\nbiyo,y\n')
    assert _texts(source) == [(2, "Salaan, saaxiib\nnabad"), (4, "guri"), (5, "biyo")]
    assert source.faults == []


def test_quotes_that_are_characters_are_kept(tmp_path):
    """In a file of tweets a quote is a character: every line is a row, and that choice is said."""
    lines = ['"hello" he said', '"never closed', 'in "the" middle', '"whole tweet"', "plain", '""twice']
    source = _read(tmp_path, "a.tsv", "text\tlabel\n" + "".join(f"{line}\tpos \r\n" for line in lines))
    assert [row.values["text"] for row in source.rows] == lines
    assert [row.line for row in source.rows] == list(range(2, 8))
    assert _seen(source) == [
        ("quoting", None, "quotes are taken as plain characters: as quoting they would break 3 lines")
    ]


def test_one_accident_does_not_turn_quoting_off(tmp_path):
    """A file that needs its quotes stays a quoted file, though one line of it is broken."""
    good = "".join(f'"say ""{n}"""\tx\n' for n in range(9))
    source = _read(tmp_path, "a.tsv", "text\tlabel\n" + good + '"bad" quote\ty\n')
    assert source.rows[0].values["text"] == 'say "0"'
    assert [(fault.rule, fault.line) for fault in source.faults] == [("unreadable_line", 11)]


def test_a_fully_quoted_file_stays_quoted(tmp_path):
    """A quoted header shows that the writer quotes, whatever else happens."""
    source = _read(tmp_path, "a.csv", '"text","label"\n"a","x"\n"b" c,"y"\n')
    assert _texts(source) == [(2, "a")]
    assert [(fault.rule, fault.line) for fault in source.faults] == [("unreadable_line", 3)]


def test_a_carriage_return_inside_a_line_is_named(tmp_path):
    """Mixed line ends are named for what they are."""
    source = _read(tmp_path, "a.csv", HEADER + "a,x\nb\rc,y\nd,x\n")
    assert _texts(source) == [(2, "a"), (4, "d")]
    assert _seen(source) == [("unreadable_line", 3, "it holds a carriage return that ends no line")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file has no header line"),
        ("text,label,text\na,b,c\n", "the header names the field 'text' twice"),
    ],
)
def test_a_table_without_a_usable_header_is_refused(tmp_path, content, problem):
    """Without a header nothing says what a column is."""
    with pytest.raises(NotReadyError) as caught:
        _read(tmp_path, "a.csv", content)
    assert caught.value.found == problem


def test_every_line_is_a_row_or_a_fault_whatever_the_quotes(tmp_path):
    """No arrangement of quotes, delimiters and line ends loses a line: each is in a row or named by a fault."""
    chance = random.Random(5)
    for number in range(300):
        lines = ["".join(chance.choices('ab",\t', k=chance.randint(1, 9))) for _ in range(chance.randint(1, 12))]
        content = "text\tlabel\n" + "".join(f"{line}\n" for line in lines)
        source = _read(tmp_path, "a.tsv", content)
        starts = sorted([row.line for row in source.rows] + [f.line for f in source.faults if f.line])
        assert len(starts) == len(set(starts)), (number, content)
        spans = dict(zip(starts, [*starts[1:], len(lines) + 2], strict=True))
        covered = [line for first, end in spans.items() for line in range(first, end)]
        assert covered == list(range(2, len(lines) + 2)), (number, content)
        for row in source.rows:
            wide = spans[row.line] - row.line
            assert wide == 1 or "\n" in "".join(row.values.values()), (number, content)


# --- parquet and hub ------------------------------------------------------------------------------------------------


def test_parquet_rows_are_numbered(tmp_path):
    """A row of a parquet file is named by its number."""
    content = _as_format("a.parquet", [{"text": "a", "label": 1}, {"text": None, "label": 2}])
    source = _read(tmp_path, "a.parquet", content)
    assert source.rows == [RawRow(1, {"text": "a", "label": 1}), RawRow(2, {"text": None, "label": 2})]


def test_a_parquet_text_that_is_not_utf8_is_named(tmp_path):
    """Arrow stores any bytes in a string column; a row with such bytes is named, the others are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.array([b"a", b"caf\xe9", b"c"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": text, "label": ["x", "y", "x"]}), tmp_path / "a.parquet")
    source = read_file(tmp_path / "a.parquet", "a.parquet")
    assert _texts(source) == [(1, "a"), (3, "c")]
    assert _seen(source) == [("encoding", 2, "the field 'text' is not UTF-8")]


def test_lists_in_parquet_with_bytes_that_are_no_text_cost_their_row_only(tmp_path):
    """A list of texts cannot be looked at byte by byte: its row is named all the same, the others are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    bad = pa.array([b"a", b"caf\xe9", b"c"], pa.binary()).view(pa.string())
    tags = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), bad)
    pq.write_table(pa.table({"text": ["a", "b", "c"], "tags": tags}), tmp_path / "a.parquet")
    source = read_file(tmp_path / "a.parquet", "a.parquet")
    assert _texts(source) == [(1, "a"), (3, "c")]
    assert _seen(source) == [("encoding", 2, "the field 'tags' is not UTF-8")]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    """Half a parquet file is none."""
    content = _as_format("a.parquet", [{"text": "a", "label": "b"}])
    with pytest.raises(NotReadyError, match="not a parquet file that can be read"):
        _read(tmp_path, "a.parquet", content[: len(content) // 2])


def test_two_columns_of_one_name_are_refused(tmp_path):
    """Which of two columns called text is meant cannot be known, and neither is dropped in silence."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(NotReadyError) as caught:
        read_file(tmp_path / "a.parquet", "a.parquet")
    assert str(caught.value) == "a.parquet: two columns have the name 'text'\n  → rename one of them"


def test_hub_splits_and_class_names(tmp_path):
    """Hub data sets bring their own split names and class names; a row without a label has none."""
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    part = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features)
    data = datasets.DatasetDict({"train": part, "validation": part.select([1])})
    source = rows_of(pick(data, "val"), "hf://x/y:validation")
    assert source.rows == [RawRow(1, {"text": "b", "label": "neg"})]
    assert [row.values["label"] for row in rows_of(pick(data, "train"), "n").rows] == ["pos", "neg", None]
    assert pick(data, "test") is None


def test_an_unreachable_hub_is_a_clear_error(monkeypatch):
    """Offline, a hub data set ends the stage at once with what to do."""
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NotReadyError) as caught:
        load("hf://no-such-owner/no-such-data", None)
    assert caught.value.where == "hf://no-such-owner/no-such-data"
    assert "the data set cannot be fetched" in caught.value.found
    assert "offline, name files on this machine" in caught.value.remedy


@pytest.mark.parametrize("address", ["hf://", "hf://a//b", "hf://a/b/c/d"])
def test_a_hub_address_has_one_form(address):
    """An address that cannot be one is a config error."""
    with pytest.raises(ConfigError, match="is no hub data set"):
        load(address, None)


# --- large files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet"])
def test_strings_that_repeat_are_kept_once(tmp_path, name):
    """A million rows must fit in memory: names of fields and labels are one object each, not one a row."""
    rows = [{"text": f"text number {number}", "label": "a label " + "ab"[number % 2]} for number in range(20)]
    content = _as_format(name.removesuffix(".gz"), rows)
    source = _read(tmp_path, name, gzip.compress(content) if name.endswith(".gz") else content)
    assert [row.values for row in source.rows] == rows
    assert len({id(key) for row in source.rows for key in row.values}) == 2
    assert len({id(row.values["label"]) for row in source.rows}) == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_reading_json_lines_takes_little_more_than_its_rows(tmp_path, name):
    """A file is read line by line: neither its bytes nor its lines are in memory beside all of its rows."""
    content = _as_format(
        "a.jsonl", [{"text": f"{number} " + "waa maxay " * 30, "label": "x"} for number in range(5000)]
    )
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    tracemalloc.start()
    source = read_file(tmp_path / name, name)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(source.rows) == 5000
    assert peak < held * 1.2


def test_reading_a_large_file_tells_how_far_it_is(tmp_path, caplog):
    """Minutes without a word look like a hang: the journal has the lines read and the share of the file."""
    with caplog.at_level("INFO", logger="ml_run"):
        _read(tmp_path, "a.jsonl", '{"text": "a"}\n' * 250_000)
    seen = [(record.getMessage(), record.data) for record in caplog.records if record.event == "progress"]
    assert [message for message, _ in seen] == ["a.jsonl: 100,000 lines read", "a.jsonl: 200,000 lines read"]
    assert [round(data["done"] / data["total"], 2) for _, data in seen] == [0.4, 0.8]


# --- the config's sources -------------------------------------------------------------------------------------------


def _config(tmp_path, **names):
    return DataConfig(**{split: str(tmp_path / name) for split, name in names.items()})


def test_sources_are_named_from_the_project_folder(tmp_path):
    """Findings name a file as the user does, never by the machine's own path."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/train.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "test.jsonl").write_text('{"text": "a"}\n')
    config = _config(tmp_path, train_path="project/train.jsonl", test_path="test.jsonl")
    sources = read_sources(config, tmp_path / "project")
    assert {split: source.name for split, source in sources.items()} == {
        "train": "train.jsonl",
        "test": "../test.jsonl",
    }


def test_all_unreadable_sources_are_named_at_once(tmp_path):
    """Nobody should learn of the second missing file after correcting the first."""
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n')
    config = _config(tmp_path, train_path="train.jsonl", val_path="no.jsonl", test_path="nor.csv")
    with pytest.raises(NotReadyError) as caught:
        read_sources(config, tmp_path)
    assert caught.value.exit_code == ExitCode.NOT_READY
    assert caught.value.found == (
        "2 sources cannot be read: no.jsonl: there is no such file; nor.csv: there is no such file"
    )


def test_an_unknown_format_is_a_config_error(tmp_path):
    """The ending tells the format; another is refused with the list of those known."""
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        read_sources(_config(tmp_path, train_path="train.json"), tmp_path)
    assert str(caught.value) == (
        "train.json: the format of train.json is not known\n  → write jsonl, csv, tsv or parquet, each also .gz"
    )


def test_the_fingerprint_follows_the_bytes(tmp_path):
    """The fingerprint of the sources changes with any byte and with the address, and with nothing else."""

    def fingerprint(**data):
        return source_fingerprint(Config.model_validate({"data": data, "model": {"name": "scratch:tiny"}}))

    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "a"}\n')
    first = fingerprint(train_path=str(path))
    path.touch()
    assert fingerprint(train_path=str(path), val_share=0.3) == first
    path.write_text('{"text": "b"}\n')
    assert fingerprint(train_path=str(path)) != first
    assert fingerprint(train_path="hf://a/b") != fingerprint(train_path="hf://a/b", revision="c0ffee")
    with pytest.raises(NotReadyError, match="No such file"):
        fingerprint(train_path=str(tmp_path / "gone.jsonl"))


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not on this machine")
@pytest.mark.parametrize(
    ("language", "split", "rows"),
    [("som", "train", 1021), ("som", "dev", 148), ("som", "test", 294), ("orm", "train", 1128), ("orm", "test", 325)],
)
def test_real_news_is_read_whole(language, split, rows):
    """MasakhaNEWS has quoted texts in tab-separated files: no row is lost and quotes are decoded."""
    source = read_file(SHARED / f"data/masakhanews/{language}/{split}.tsv", "x.tsv")
    assert (len(source.rows), source.faults) == (rows, [])
    # A few doubled quotes are the newsroom's own; undecoded, most texts would have them.
    assert sum('""' in row.values["text"] for row in source.rows) <= 4
