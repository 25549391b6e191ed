"""The charts of the data: what they draw is what the records hold."""

import re
import xml.etree.ElementTree as ET

import pytest

from ml_run.reporting import data_figures
from ml_run.results import LeakCount, ShortcutProbe
from report_sample import make_checked_data, make_data, make_tokens

NAMESPACE = "{http://www.w3.org/2000/svg}"
TWENTY = tuple(f"class {number}" for number in range(20))


def nodes(figure, tag, style):
    return [node for node in ET.fromstring(figure.file).iter(NAMESPACE + tag) if node.get("class") == style]


def texts(figure):
    return [node.text for node in ET.fromstring(figure.file).iter(f"{NAMESPACE}text")]


# --- class balance --------------------------------------------------------------------------------------------------


def test_every_class_is_named_with_its_share_of_each_split():
    """The words state what the bars and marks show."""
    assert data_figures.class_balance(make_data()).description == (
        "Northern: 49.3 % of train, 49.2 % of val, 49.4 % of test; "
        "Central: 29.6 % of train, 29.5 % of val, 29.6 % of test; "
        "Southern: 21.1 % of train, 21.3 % of val, 21.0 % of test."
    )


@pytest.mark.parametrize(("number", "between"), [(12, 0), (13, 1), (20, 8), (1000, 988)])
def test_beyond_twelve_classes_the_largest_and_the_smallest_are_shown(number, between):
    """The chart has at most twelve rows, and says of how many classes they are."""
    data = make_data(tuple(f"class {place}" for place in range(number)))
    large, middle, small = data_figures.largest_and_smallest(data)
    assert (len(large) + len(small), len(middle)) == (12, between)
    assert [*large, *middle, *small] == list(data.labels)  # the sample's classes fall in size
    figure = data_figures.class_balance(data)
    assert figure.description.count(";") == 11
    said = f", the 8 largest and 4 smallest of {number} classes" if between else ""
    assert figure.title == f"Share of each class in each split{said}"


# --- lengths --------------------------------------------------------------------------------------------------------


def test_the_histogram_draws_each_bin_and_writes_the_share_that_is_cut():
    """Heights follow the counts; bins from max_length on are drawn otherwise; the share is the record's."""
    tokens = make_tokens()
    figure = data_figures.token_lengths(tokens)
    read, cut = nodes(figure, "rect", "bar"), nodes(figure, "rect", "bar beyond")[1:]  # one stands in the legend
    heights = [float(node.get("height")) for node in (*read, *cut)]
    assert heights == pytest.approx([150 * rows / 310 for rows in tokens.histogram], abs=0.01)
    assert (len(read), len(cut)) == (6, 6)
    assert "max_length: 256" in texts(figure)
    assert "longer, so cut: 12.3 % of the texts" in texts(figure)
    assert figure.description.startswith(
        "12.3 % of the training texts are longer than max_length, 256 tokens, and are cut there. "
        "Rows by tokens: 0 to 48: 96, 48 to 96: 310, "
    )
    assert figure.description.endswith("528 to 1,312: 3.")


def test_the_line_stands_where_max_length_lies_in_its_bin():
    """256 is a third of the way through the sixth of twelve bins."""
    figure = data_figures.token_lengths(make_tokens())
    (line,) = [node for node in nodes(figure, "line", "threshold") if node.get("x1").endswith("%")]
    share = (5 + (256 - 240) / 48) / 12
    assert line.get("x1") == line.get("x2") == f"{2 + 96 * share:.2f}%"


def test_a_max_length_beyond_all_texts_has_no_line_and_says_so():
    """Nothing is cut, and no line is drawn at a place that means nothing."""
    tokens = make_tokens().model_copy(update={"max_length": 4096})
    figure = data_figures.token_lengths(tokens)
    assert "max_length: 4,096, longer than all" in texts(figure)
    assert not [node for node in nodes(figure, "line", "threshold") if node.get("x1").endswith("%")]


@pytest.mark.parametrize("bins", [1, 2, 7, 13, 40])
def test_the_scale_begins_and_ends_with_the_first_and_last_bound(bins):
    """Few ticks at any number of bins; the last is the longest text."""
    edges = tuple(range(0, 10 * bins + 1, 10))
    tokens = make_tokens().model_copy(update={"histogram": (1,) * bins, "edges": edges, "max_length": 8})
    labels = [text for text in texts(data_figures.token_lengths(tokens)) if re.fullmatch(r"\d+", text)]
    assert labels[0] == "0"
    assert labels[-1] == str(10 * bins)
    assert len(labels) <= 6


# --- copies ---------------------------------------------------------------------------------------------------------


def test_the_matrix_has_a_cell_for_each_pair_with_the_numbers_of_its_record():
    """Three splits, nine cells; a pair without a record has no copies."""
    figure = data_figures.leak_matrix(make_checked_data())
    cells = nodes(figure, "rect", "cell")
    assert len(cells) == 9
    shares = [12 / 815, 1 / 815, 7 / 815, 1 / 122, 0, 0, 6 / 243, 0, 0]
    shades = [float(cell.get("fill-opacity")) for cell in cells]
    assert shades == pytest.approx([share / (6 / 243) for share in shares], abs=0.006)
    assert texts(figure)[2:5] == ["train", "val", "test"]
    assert texts(figure)[5:9] == ["train", "1.5 %", "9 exact", "3 near"]
    assert texts(figure).count("none") == 4
    assert figure.description == (
        "of 815 rows of train 9 have an exact and 3 a near copy in it (1.5 %); "
        "of 122 rows of val 0 have an exact and 1 a near copy in train (0.8 %); "
        "of 815 rows of train 0 have an exact and 1 a near copy in val (0.1 %); "
        "of 243 rows of test 4 have an exact and 2 a near copy in train (2.5 %); "
        "of 815 rows of train 4 have an exact and 3 a near copy in test (0.9 %)."
    )


def test_large_counts_fit_their_cell():
    """On a phone a cell has room for six characters of a number; the table has all of them."""
    leak = LeakCount(split="train", into="test", exact=1_234_567, near=99_999, rows=2_000_000)
    figure = data_figures.leak_matrix(make_checked_data(leaks=(leak,)))
    assert "1,234k exact" in texts(figure)
    assert "99,999 near" in texts(figure)
    assert "1,234,567 have an exact" in figure.description


def test_counts_of_nothing_are_drawn_as_nothing():
    """A record of no copies, or of no rows, is no division by zero."""
    leak = LeakCount(split="train", into="test", exact=0, near=0, rows=0)
    figure = data_figures.leak_matrix(make_checked_data(leaks=(leak,)))
    assert "0.0 %" in texts(figure)
    assert {cell.get("fill-opacity") for cell in nodes(figure, "rect", "cell")} == {"0"}


# --- shortcuts ------------------------------------------------------------------------------------------------------


def test_each_probe_stands_beside_the_guess_and_the_text():
    """Bar, cross and diamond lie where the record says; the probe furthest above the guess is first."""
    figure = data_figures.shortcut_scores(data_figures.furthest_first(make_checked_data().shortcuts))
    bars = nodes(figure, "rect", "bar")[1:]  # one stands in the legend
    assert [bar.get("width") for bar in bars] == [f"{96 * score:.2f}%" for score in (0.691, 0.402, 0.281)]
    marks = [node.get("x") for node in ET.fromstring(figure.file) if node.tag.endswith("svg") and node.get("y") == "57"]
    assert marks == [f"{2 + 96 * 0.333:.2f}%", f"{2 + 96 * 0.747:.2f}%"]
    assert figure.description == (
        "source 0.691, guess 0.333, text 0.747; punctuation 0.402, guess 0.333, text 0.747; "
        "length of the text 0.281, guess 0.333, text 0.747."
    )


def test_at_most_twelve_probes_are_drawn():
    """Rows of data can have any number of fields; the chart has an end."""
    probes = [ShortcutProbe(name=name, macro_f1=0.5, guess=0.3, text=0.8, rows=9) for name in TWENTY]
    figure = data_figures.shortcut_scores(probes)
    assert figure.description.count("guess") == 12
    assert "class 12" not in figure.svg


def test_charts_have_no_name_beyond_what_a_phone_has_room_for():
    """A field's name is cut beside its numbers; the table has it whole."""
    probe = ShortcutProbe(name="a field with a name of great length", macro_f1=0.5, guess=0.3, text=0.8, rows=9)
    assert "a field with a name o…" in texts(data_figures.shortcut_scores([probe]))
