import sys

import pytest

from ml_run.characters import IGNORED, INVISIBLE, visible, visible_lines


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b]8;;http://x\x1b\\", "\\x1b]8;;http://x\\x1b\\"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("x\ud800y\udcff", "x\\ud800y\\udcff"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("hay\u200badda\u00ad\ufeff", "hay\\u200badda\\xad\\ufeff"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("a\u061cb", "a\\u061cb"),
        ("a\u2028b\ufffe", "a\\u2028b\\ufffe"),
        ("ሰሜን हिन्दी‍ शमालي ’", "ሰሜን हिन्दी‍ शमालي ’"),
    ],
)
def test_dangerous_characters_are_written_out_and_scripts_are_left_alone(given, shown):
    """What could act on a terminal, a parser or the reading direction is shown, never sent."""
    assert visible(given) == shown


def test_lines_of_a_block_are_kept():
    """A config stays a list of lines; control characters within a line are written out."""
    assert visible_lines("a: 1\nb: \x1b[0m\n") == "a: 1\nb: \\x1b[0m\n"


def test_everything_that_is_written_out_can_be_encoded():
    """No half of a surrogate pair, and no control character, is left in what `visible` gives."""
    shown = visible("".join(map(chr, range(sys.maxunicode + 1))))
    shown.encode("utf-8")
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in shown)


def test_each_use_of_the_table_leaves_out_what_it_must():
    """Comparing ignores variation selectors, which no finding names; blanks are neither ignored nor found."""
    assert IGNORED.match("\ufe0f")
    assert not INVISIBLE.match("\ufe0f")
    for blank in "\t\n\r \x85\u00a0\u2028":
        assert not IGNORED.match(blank)
        assert not INVISIBLE.match(blank)
    for both in "\u200b\u200d\u202e\u061c\x00":
        assert IGNORED.match(both)
        assert INVISIBLE.match(both)
