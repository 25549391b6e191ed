"""The page's colours held to WCAG 2.2: on screen by day, by night, and on paper."""

import re
from pathlib import Path

import pytest

from ml_run import reporting

COLOURS = (Path(reporting.__file__).parent / "templates/colours.css").read_text("utf-8")
TEXT = 4.5
"""Least contrast of text (success criterion 1.4.3, level AA)."""
GRAPHIC = 3.0
"""Least contrast of what a chart needs to be read, and of the frame of what has the focus (1.4.11)."""
TONES = ("good", "bad", "doubt", "neutral")
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "muted") for ground in ("paper", "panel", "doubt-bg")),
    *(("accent", ground, TEXT) for ground in ("paper", "panel")),
    *((tone, f"{tone}-bg", TEXT) for tone in TONES),
    *(("ink", f"{tone}-bg", TEXT) for tone in TONES),
    *((mark, "doubt-bg", TEXT) for mark in TONES),  # a tag in the box of a decision in doubt
    ("ink", "cell", TEXT),
    ("ink", "fill", TEXT),
    *((line, "paper", GRAPHIC) for line in ("accent", "second", "ink", "muted")),
]


def themes():
    """The colours of the day, then those of night and paper on top of them."""
    blocks = re.findall(r"(?:@media ([^{]+) \{\s*)?:root \{(.*?)\}", COLOURS, re.DOTALL)
    day = colours(blocks[0][1])
    return {"day": day, "night": day | colours(blocks[1][1]), "paper": day | colours(blocks[2][1])}


def colours(block):
    return dict(re.findall(r"--([\w-]+): #([0-9a-f]{6});", block))


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it, 0 black to 1 white."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_that_of_the_standard():
    """Black on white is 21, grey #777777 on white 4.48, as published."""
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", ["day", "night", "paper"])
def test_every_text_and_mark_can_be_read(theme):
    """Text has a contrast of 4.5 at least, lines and marks of charts one of 3, in each theme."""
    colour = themes()[theme]
    assert len(colour) >= 18
    weak = {
        (front, ground): round(contrast(colour[front], colour[ground]), 2)
        for front, ground, least in PAIRS
        if contrast(colour[front], colour[ground]) < least
    }
    assert not weak
