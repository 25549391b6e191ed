"""A folder of broken files, each through the front door: the exit code, and the first line that a user reads."""

import codecs
import gzip
import io
import json
import zipfile

import pytest
import yaml

from conftest import make_rows, write_project
from harness import ml_run

ROWS = make_rows(60)
HEADER = "text,label\n"


def _json_lines(rows=ROWS):
    return [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]


def _table(mark=",", header=HEADER):
    return [header.replace(",", mark), *(f"{row['text']}{mark}{row['label']}\n" for row in ROWS)]


def _with(lines, number, line):
    """The lines as one file, line `number` (1-based) replaced."""
    return "".join([*lines[: number - 1], line, *lines[number:]])


def _parquet():
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


def _workbook():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def _run(folder, **files):
    """Run the data stage on a project with these files, (name, content) by split, in the place of sound ones."""
    write_project(folder, train=60, val=45, test=90)
    config = yaml.safe_load((folder / "ml_config.yaml").read_text("utf-8"))
    for split, (name, content) in files.items():
        (folder / "data" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        config["data"][f"{split}_path"] = f"data/{name}"
    (folder / "ml_config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    done = ml_run("--until", "data", "--quiet", cwd=folder)
    assert "Traceback" not in done.err
    return done


def _findings(folder):
    [report] = folder.glob("experiments/*/data/report.json")
    return {found["rule"]: found for found in json.loads(report.read_text("utf-8"))["findings"]}


def _rejected(folder):
    [path] = folder.glob("experiments/*/data/rejected.jsonl")
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [(row["file"], row["line"], row["reason"], row["problem"]) for row in rows]


# --- files that cannot be read at all -------------------------------------------------------------------------------

JSON_LINES = "".join(_json_lines())
UNREADABLE = [
    {
        "cut short.jsonl.gz": (
            gzip.compress(JSON_LINES.encode())[:-300],
            "the gzip file is damaged or cut short (Compressed file ended before the end-of-stream marker was reached)",
        ),
        "not packed.jsonl.gz": (JSON_LINES, "the file is not packed by gzip"),
        "packed.jsonl": (gzip.compress(JSON_LINES.encode()), "the file is packed by gzip, whatever its name says"),
    },
    {
        "wide without mark.csv": ("".join(_table()).encode("utf-16-le"), "the file is UTF-16 or UTF-32, not UTF-8"),
        "one list.jsonl": (json.dumps(ROWS), "the file is one JSON list, not one object a line"),
        "one name twice.csv": ("".join(_table(header="text,text\n")), "the header names the field 'text' twice"),
    },
    {
        "workbook.csv": (_workbook(), "the file is an Excel workbook or a zip archive, whatever its name says"),
        "parquet.csv": (_parquet(), "the file is a parquet file, whatever its name says"),
        "cut short.parquet": (
            _parquet()[:-40],
            (
                "not a parquet file that can be read (Parquet magic bytes not found in footer. "
                "Either the file is corrupted or this is not a parquet file.)"
            ),
        ),
    },
]


@pytest.mark.parametrize("broken", UNREADABLE)
def test_files_that_cannot_be_read_are_all_named_with_what_they_are(tmp_path, broken):
    """Exit 3, and the first line on stderr says of each file what is wrong with it."""
    names = dict(zip(("train", "val", "test"), broken, strict=True))
    done = _run(tmp_path, **{split: (name, broken[name][0]) for split, name in names.items()})
    described = "; ".join(f"data/{name}: {found}" for name, (_, found) in broken.items())
    assert done.err.splitlines()[0] == f"✘ 3 sources cannot be read: {described}"
    assert done.code == 3


WITHOUT_FIELDS = {
    "semicolons.csv": (
        "".join(_table(";")),
        "there is no field 'text'; its fields are: text;label",
        (
            "name the field that holds the text in data.text_field "
            "(the file seems to be separated by semicolons: csv needs commas, tsv tabs)"
        ),
    ),
    "table.jsonl": (
        "".join(_table()),
        "none of its 61 lines can be read; line 1: not valid JSON: Expecting value at column 1",
        "it seems to be a table: give its name the ending .csv",
    ),
    "empty.jsonl": ("", "the file is empty", "check the path in the config"),
    "header only.csv": (HEADER, "there are no rows", "check the path in the config"),
}


@pytest.mark.parametrize("name", WITHOUT_FIELDS)
def test_a_file_without_what_is_looked_for_is_named_with_what_to_do(tmp_path, name):
    """Exit 3, with what the file seems to be instead."""
    content, found, remedy = WITHOUT_FIELDS[name]
    done = _run(tmp_path, train=(name, content))
    assert done.err.splitlines()[:2] == [f"✘ data/{name}: {found}", f"  → {remedy}"]
    assert done.code == 3


# --- files with broken rows -----------------------------------------------------------------------------------------


def test_broken_rows_of_json_lines_are_named_by_line(tmp_path):
    """Exit 3; each row is left out with its line and reason, and the first line on stderr names the first."""
    lines = _json_lines()
    lines[2] = '{"text": "guri wayn", "label": ["Central"]}\n'
    lines[3] = '{"text": "guri wayn", "label": "Central",}\n'
    lines[5] = '{"text": "gu\0ri", "label": "Central"}\n'
    lines[6] = '{"text": "Café magaalada", "label": "Central"}\n'
    lines[7] = '{"text": "guri \\ud83d wayn", "label": "Central"}\n'
    lines[10] = '{"text": "guri wayn", "label": NaN}\n'
    lines[11] = '{"text": "\u200b\ufeff", "label": "Central"}\n'
    lines[12] = '{"text": 17, "label": "Central"}\n'
    content = "".join(lines).encode().replace("é".encode(), b"\xe9")
    done = _run(tmp_path, train=("dirty.jsonl", content))
    assert done.code == 3
    assert done.err.splitlines()[0] == (
        "✘ data/dirty.jsonl:4: the data is not ready: 5 errors, the first: 2 rows left out (2 in data/dirty.jsonl); "
        "the first is line 4 of data/dirty.jsonl: not valid JSON: "
        "Expecting property name enclosed in double quotes at column 42"
    )
    assert _rejected(tmp_path) == [
        ("data/dirty.jsonl", 3, "wrong_type", "the field 'label' is a list, not one label"),
        (
            "data/dirty.jsonl",
            4,
            "unreadable_line",
            "not valid JSON: Expecting property name enclosed in double quotes at column 42",
        ),
        ("data/dirty.jsonl", 6, "unreadable_line", "not valid JSON: Invalid control character at column 13"),
        ("data/dirty.jsonl", 7, "encoding", "byte 0xe9 at position 14 is not UTF-8; in Windows-1252 it is 'é'"),
        ("data/dirty.jsonl", 8, "encoding", "it holds half of a surrogate pair, which is no character"),
        ("data/dirty.jsonl", 11, "missing_field", "it has no 'label'"),
        ("data/dirty.jsonl", 12, "empty_text", "its text has nothing but invisible characters"),
        ("data/dirty.jsonl", 13, "wrong_type", "the field 'text' is a number, not a string"),
    ]


def test_broken_rows_of_tables_are_named_by_line(tmp_path):
    """Exit 3; rows of another width, joined files, quotes never closed and labels that nobody sees, in three tables."""
    ragged = _with(_table(), 5, "guri,wayn,Central\n")
    quote = _with(['"text","label"\n', *_table()[1:]], 9, '"guri furan,Central\n')
    joined = "".join([*_table()[:30], "\ufeff", *_table()[:1], *_table()[30:], "guri cusub,\u200b\n"])
    done = _run(tmp_path, train=("ragged.csv", ragged), val=("quote.csv", quote), test=("joined.csv", joined))
    assert done.code == 3
    assert [row for row in _rejected(tmp_path) if not row[2].startswith("leak")] == [
        ("data/ragged.csv", 5, "unreadable_line", "it has 3 fields, the header has 2"),
        ("data/quote.csv", 9, "unreadable_line", "its quotes do not match: unexpected end of data"),
        ("data/joined.csv", 31, "unreadable_line", "it repeats the header, as where files were joined"),
        ("data/joined.csv", 63, "missing_field", "it has no 'label'"),
    ]
    assert _findings(tmp_path)["unreadable_line"]["message"] == (
        "3 rows left out (1 in data/ragged.csv, 1 in data/quote.csv, 1 in data/joined.csv); "
        "the first is line 5 of data/ragged.csv: it has 3 fields, the header has 2"
    )


# --- files that are read all the same -------------------------------------------------------------------------------


def _notes(folder):
    """What is noted about files and characters; nothing may be worse than a note."""
    rules = ("bom", "blank_line", "invisible_characters", "label_whitespace", "quoting", "null_like")
    found = {rule: one for rule, one in _findings(folder).items() if rule in rules}
    assert {one["severity"] for rule, one in found.items() if rule != "null_like"} == {"info"}
    return {rule: one["message"] for rule, one in found.items()}


def test_marks_blank_lines_and_line_ends_cost_nothing(tmp_path):
    """Marks at the start and amid a file, blank lines, and line ends of old programs: exit 0, noted at most."""
    lines = _json_lines(make_rows(45, 1))
    files = {
        "train": ("marks.csv", codecs.BOM_UTF8 + _with(_table(), 3, "\n" + _table()[2] + "\n\n").encode()),
        "val": ("joined.jsonl", "".join([*lines[:30], "\ufeff", *lines[30:]])),
        "test": ("old.jsonl", "".join(_json_lines(make_rows(90, 2))).replace("\n", "\r")),
    }
    done = _run(tmp_path, **files)
    assert (done.code, done.err) == (0, "")
    assert _notes(tmp_path) == {
        "bom": (
            "2 byte order marks (1 in data/marks.csv, 1 in data/joined.jsonl): "
            "the file begins with a UTF-8 byte order mark"
        ),
        "blank_line": "3 blank lines (3 in data/marks.csv): the line is blank",
    }
    assert _rejected(tmp_path) == []


def test_stray_characters_cost_nothing(tmp_path):
    """A null byte, a no-break space around a label, a quote that closes nowhere and words for nothing: exit 0."""
    lines = _table()
    lines[1] = lines[1].replace(",", ",\u00a0")
    lines[5] = "gu\0ri wayn oo cusub,Central\n"
    lines[8] = '"guri furan oo wayn,Central\n'
    lines[9] = "NaN,Central\n"
    done = _run(tmp_path, train=("stray.csv", "".join(lines)))
    assert (done.code, done.err) == (0, "")
    assert _notes(tmp_path) == {
        "invisible_characters": (
            "1 text holds invisible characters (1 in data/stray.csv): U+0000 control character once"
        ),
        "label_whitespace": "1 label had blanks around them, which were taken off",
        "quoting": (
            "1 file (1 in data/stray.csv): quotes are taken as plain characters: as quoting they would break 1 line"
        ),
        "null_like": "1 text of nothing but 'NaN' (1): words, or what a program made of them",
    }
