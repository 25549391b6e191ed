import csv
import io

from ml_run.quality.review import CONFLICT, LEAK, Review, read_queue, review_queue, safe_cell, same_label, same_text
from ml_run.quality.rows import Row


def row(line, text="waa maxay", label="Central", file="data/train.csv"):
    return Row(file, line, text, label, None, {})


def read(queue):
    return list(csv.DictReader(io.StringIO(queue.removeprefix("\ufeff"), newline="")))


def test_all_reasons_of_a_row_stand_in_one_line_the_weightiest_first():
    """A row that is doubtful in two ways is looked at once; the same reason given twice is said once."""
    twice = [Review("test", row(3), LEAK, "leak_exact: b"), Review("test", row(3), CONFLICT, "conflict: a")]
    (found,) = read(review_queue([*twice, *twice]))
    assert (found["why"], found["split"], found["correct_label"]) == ("conflict: a; leak_exact: b", "test", "")


def test_rows_are_ordered_by_value_and_stay_in_their_order_where_that_is_the_same():
    """The most doubtful row comes first; equal rows keep the order they were found in, in every run."""
    values = {1: LEAK, 2: CONFLICT, 3: 4.5, 4: CONFLICT, 5: 4.25, 6: LEAK}
    queue = review_queue(Review("train", row(line), value, "why") for line, value in values.items())
    assert [int(found["line"]) for found in read(queue)] == [2, 4, 3, 5, 1, 6]


def test_a_byte_order_mark_tells_spreadsheets_that_it_is_utf_8():
    """Without it, Excel reads every letter beyond ASCII wrongly."""
    queue = review_queue([Review("train", row(1, "hay’adda ሰላም"), CONFLICT, "why")])
    assert queue.startswith("\ufefffile,line,split,text,label,why,correct_label\r\n")
    assert read(queue)[0]["text"] == "hay’adda ሰላም"


def test_every_beginning_of_a_formula_is_guarded():
    """Signs, their wide forms, tabs and line breaks, also behind blanks and quotes that some programs skip."""
    for start in "=+-@＝＋－＠\t\r\n":
        assert safe_cell(f"{start}cmd") == f"'{start}cmd"
    for start in (" =", "\u00a0+", '"=', "'@", " \t-", "\0="):
        assert safe_cell(f"{start}cmd") == f"'{start}cmd"
    assert safe_cell("-1") == "'-1", "as a number it would come back as another text, as 1e5 does"
    for harmless in ("waa = maxay", "'quoted'", " blank", "1", "", 7):
        assert safe_cell(harmless) == str(harmless)


def test_a_cell_never_outgrows_a_spreadsheet():
    """At most 32,767 UTF-16 units, the guard and the mark of the cut counted, and no character is halved."""
    for text in ("=" + "a" * 40_000, "😀" * 20_000, "a" + "😀" * 20_000):
        cell = safe_cell(text)
        assert cell.endswith("…")
        assert 32_765 <= len(cell.encode("utf-16-le")) // 2 <= 32_767
        assert same_text(cell, text)
        assert not same_text(cell, "b" + text)
    assert safe_cell("a" * 32_767) == "a" * 32_767
    assert not same_text("waa …", "waa maxay"), "a short text that ends in … was not cut"


def test_a_text_is_the_same_after_all_that_spreadsheets_do_to_it():
    """Guard on or off, other line ends, blanks at the ends, decomposed letters; but no other word."""
    text = "=Café «waa»\nmaxay "
    for cell in (f"'{text}", text, text.replace("\n", "\r\n"), text.strip(), text.replace("é", "e\u0301")):
        assert same_text(cell, text)
    assert not same_text("=Cafe «waa»\nmaxay", text)
    assert not same_text("", text)


def test_numbers_and_booleans_are_known_in_the_dress_of_a_spreadsheet():
    """TRUE is true and 1 is 1.0; letters keep their case, since labels that differ by case are two labels."""
    assert same_label("TRUE", "true")
    assert same_label("1", "1.0")
    assert same_label("1,5", "1.5")
    assert not same_label("northern", "Northern")
    assert not same_label("1", "10")


def test_a_queue_that_was_only_opened_and_saved_has_no_answers():
    """All rows are counted as open, and a row that somebody shortened is not misread."""
    queue = review_queue([Review("train", row(n, f"waa\n{n}"), CONFLICT, "why") for n in range(1, 4)])
    assert read_queue(queue.encode("utf-8"), "q.csv") == ([], 3)
    cut = queue.replace(",why,\r\n", "\r\n")
    assert read_queue(cut.encode("utf-8"), "q.csv") == ([], 3)


def test_an_answer_names_its_own_line_of_the_queue():
    """Faults point at the line a record begins on, whatever line breaks stand in the texts before it."""
    queue = review_queue([Review("train", row(n, f"waa\n{n}"), CONFLICT, "why") for n in (7, 8)])
    answers, still_open = read_queue(queue.replace("why,\r\n", "why,Northern\r\n").encode("utf-8"), "q.csv")
    assert still_open == 0
    assert [(a.place, a.line, a.correct) for a in answers] == [("q.csv:2", 7, "Northern"), ("q.csv:4", 8, "Northern")]
