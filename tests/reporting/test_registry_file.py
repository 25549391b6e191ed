import pytest

from ml_run.reporting.registry_file import Entry, with_entry

ENTRY = Entry("ml-run-2026-11-23.md", "2026-11-23", "PASS", "first | try")
ROW = r"| [ml-run-2026-11-23.md](implementation/ml-run-2026-11-23.md) | 2026-11-23 | PASS | first \| try |"
ITEM = r"- ml-run-2026-11-23 | PASS | first \| try"
HEAD = "| Report | Date | Status | Summary |\n|--------|------|--------|---------|\n"
OTHER = "| [a.md](review/a.md) | 2026-01-01 | Active | b |\n"


def test_a_new_registry_is_a_table_with_a_head():
    """Where there was no file, the row stands in a table that others can go on with."""
    assert with_entry("", ENTRY) == f"# Report Registry\n\n{HEAD}{ROW}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"# R\n\n{HEAD}{OTHER}", f"# R\n\n{HEAD}{OTHER}{ROW}\n"),
        (f"# R\n\n{HEAD}{OTHER}\n_Add new here_\n", f"# R\n\n{HEAD}{OTHER}{ROW}\n\n_Add new here_\n"),
        (f"# R\n\n{HEAD}", f"# R\n\n{HEAD}{ROW}\n"),
        (f"# R\n\n{HEAD}{OTHER}".rstrip("\n"), f"# R\n\n{HEAD}{OTHER}{ROW}\n"),
        ("# R\n\n- old-report | Active | words\n", f"# R\n\n- old-report | Active | words\n{ITEM}\n"),
        ("- old-report | Active | words", f"- old-report | Active | words\n{ITEM}\n"),
        ("# R\n\nSome words.\n", f"# R\n\nSome words.\n\n{HEAD}{ROW}\n"),
        ("# R\n\n- a list of\n- plain items\n", f"# R\n\n- a list of\n- plain items\n\n{HEAD}{ROW}\n"),
    ],
    ids=[
        "table",
        "words after the table",
        "empty table",
        "no last line break",
        "list",
        "one line",
        "neither",
        "plain list",
    ],
)
def test_the_row_follows_the_style_of_the_file(before, after):
    """The row goes to the end of the table or list that is there; nothing else changes."""
    assert with_entry(before, ENTRY) == after


def test_the_row_goes_to_the_section_of_its_category():
    """Registries with a table a category get the row under Implementation, not in the last table."""
    others = f"{HEAD}{OTHER}"
    before = (
        f"### Analysis\n\n{others}\n---\n\n### Implementation\n\n{HEAD}\n_Add here_\n\n---\n\n### Tests\n\n{others}"
    )
    expected = before.replace(f"### Implementation\n\n{HEAD}", f"### Implementation\n\n{HEAD}{ROW}\n")
    assert with_entry(before, ENTRY) == expected


def test_an_empty_section_gets_the_style_the_file_promises():
    """A template whose comment shows list rows is followed, above the rule that ends the section."""
    promise = "# R\n\n<!-- Format: - report-name | Status | Summary -->\n\n"
    before = f"{promise}### Implementation\n<!-- code specs -->\n\n---\n\n### Tests\n"
    expected = before.replace("<!-- code specs -->\n", f"<!-- code specs -->\n\n{ITEM}\n")
    assert with_entry(before, ENTRY) == expected


def test_examples_in_comments_and_code_are_not_rows():
    """A row shown as an example is not the file's last row."""
    before = f"# R\n\n{HEAD}{OTHER}\n```\n{HEAD}{OTHER}```\n<!--\n- a | b | c\n-->\n"
    assert with_entry(before, ENTRY) == before.replace(f"{HEAD}{OTHER}\n```", f"{HEAD}{OTHER}{ROW}\n\n```", 1)


@pytest.mark.parametrize(
    "start", ["", f"# R\n\n{HEAD}{OTHER}\nend\n", "- a | Active | b\n", f"# R\r\n\r\n{OTHER}".replace("\n", "\r\n")]
)
def test_writing_the_same_row_twice_changes_nothing(start):
    """The registry does not grow when a report is written again."""
    once = with_entry(start, ENTRY)
    assert with_entry(once, ENTRY) == once
    assert once.count("ml-run-2026-11-23") == (1 if once.startswith("- a") else 2)


def test_a_changed_verdict_replaces_the_row_where_it_stands():
    """After `ml-run deploy` the row says so, in its old place."""
    before = with_entry(f"{HEAD}{OTHER}", ENTRY) + OTHER
    after = with_entry(before, Entry(ENTRY.file, ENTRY.date, "FAIL", "again"))
    assert after == before.replace(r"| PASS | first \| try |", "| FAIL | again |")


def test_a_second_report_of_the_day_is_another_row():
    """ml-run-….md is not taken for ml-run-…-2.md, in either style."""
    for start in (f"{HEAD}", "- a | Active | b\n"):
        both = with_entry(with_entry(start, ENTRY), Entry("ml-run-2026-11-23-2.md", "2026-11-23", "FAIL", "x"))
        assert both.count("PASS") == 1
        assert both.count("FAIL") == 1


def test_line_ends_of_the_file_are_kept():
    """A file with CRLF gets a row with CRLF, and every other byte stays."""
    before = f"# R\n\n{HEAD}{OTHER}\nend\n".replace("\n", "\r\n")
    assert with_entry(before, ENTRY) == f"# R\n\n{HEAD}{OTHER}{ROW}\n\nend\n".replace("\n", "\r\n")


def test_tables_of_other_shape_are_left_alone():
    """A table with other columns is somebody else's."""
    before = "# R\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert with_entry(before, ENTRY) == f"{before}\n{HEAD}{ROW}\n"


def test_a_summary_of_a_hostile_name_stays_one_row():
    """A pipe, a line break or markup in a name cannot add a row."""
    after = with_entry("", Entry(ENTRY.file, ENTRY.date, "PASS", "a\n| [x](y) | z | <b>"))
    assert after.count("\n") == 5
    assert r"a\\n\| \[x](y) \| z \| &lt;b>" in after
