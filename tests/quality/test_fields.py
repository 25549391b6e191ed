import json

import pytest

from ml_run.config import DataConfig
from ml_run.errors import NotReadyError
from ml_run.quality.fields import choose_fields
from ml_run.reading.sources import read_file

ROWS = [{"text": f"waa guri wayn {n}", "label": "Central"} for n in range(30)]


def _error(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(NotReadyError) as caught:
        choose_fields(DataConfig(train_path=str(path)), {"train": read_file(path, name)})
    return caught.value.found, caught.value.remedy


OVER_LINES = "it seems to be JSON over several lines: turn it into JSON lines, e.g. with jq -c '.[]' or jq -c ."


@pytest.mark.parametrize(
    ("content", "found", "remedy"),
    [
        (
            "".join(f"{json.dumps(row)},\n" for row in ROWS),
            "none of its 30 lines can be read; line 1: not valid JSON: more stands behind the value, from column 48",
            "take off the comma behind each object: in JSON lines nothing stands between the lines",
        ),
        (
            "[\n" + ",\n".join(map(json.dumps, ROWS)) + ",\n]\n",
            "none of its 32 lines can be read; line 1: not valid JSON: Expecting value at column 2",
            OVER_LINES,
        ),
        (
            json.dumps({"data": ROWS}, indent=1),
            (
                "none of its 124 lines can be read; line 1: not valid JSON: "
                "Expecting property name enclosed in double quotes at column 2"
            ),
            OVER_LINES,
        ),
        (
            "text\tlabel\nguri, wayn\tCentral\n",
            "none of its 2 lines can be read; line 1: not valid JSON: Expecting value at column 1",
            "it seems to be a table: give its name the ending .tsv",
        ),
        (
            "guri wayn\n",
            "its only line cannot be read; line 1: not valid JSON: Expecting value at column 1",
            "check the path in the config, and that the file is what its name says",
        ),
        ("", "the file is empty", "check the path in the config"),
        ("\ufeff", "the file is empty", "check the path in the config"),
        ("\n \n", "the file has blank lines only", "check the path in the config"),
    ],
)
def test_a_file_without_a_json_line_is_told_for_what_it_is(tmp_path, content, found, remedy):
    """The first line's fault, and what the lines seem to be instead."""
    assert _error(tmp_path, "a.jsonl", content) == (found, remedy)


@pytest.mark.parametrize(
    ("name", "content", "fields", "hint"),
    [
        ("a.csv", "text;label\na;b\n", "text;label", "separated by semicolons: csv needs commas, tsv tabs"),
        ("a.csv", "text\tlabel\na\tb\n", "text\\tlabel", "separated by tabs: csv needs commas, tsv tabs"),
        ("a.tsv", "text,label\na,b\n", "text,label", "separated by commas: csv needs commas, tsv tabs"),
        (
            "a.csv",
            '{"text": "a", "label": "b"}\n',
            '{"text": "a", "label": "b"}',
            "JSON lines: give its name the ending",
        ),
    ],
)
def test_a_table_of_another_kind_is_told_for_what_it_is(tmp_path, name, content, fields, hint):
    """The error lists the fields as they were read, and says what the file seems to be."""
    found, remedy = _error(tmp_path, name, content)
    assert found == f"there is no field 'text'; its fields are: {fields}"
    assert f"(the file seems to be {hint}" in remedy


def test_a_table_without_a_header_is_told(tmp_path):
    """A name of a field that is also a value of that field was a row; long names are cut."""
    content = "".join(f"{row['text'] * 9},{row['label']}\n" for row in ROWS)
    found, remedy = _error(tmp_path, "a.csv", content)
    assert found == f"there is no field 'text'; its fields are: {(ROWS[0]['text'] * 9)[:40]}…, Central"
    assert remedy == (
        "name the field that holds the text in data.text_field "
        "(its first line seems to be a row: write the names of the fields above it)"
    )
