"""Stretches of another language in rows that are right as a whole."""

import pytest

from ml_run.config.language_codes import find_language
from ml_run.quality.code_switching import find_switches, foreign_stretch
from ml_run.quality.rows import Row

SO, SW = find_language("so"), find_language("sw")
BEFORE = "Ninka ayaa sheegay inuu maanta soo gaaray magaalada"
AFTER = "isagoo wata buugag badan oo cusub"


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (f"{BEFORE}, please share this video with your friends", "please share this video with your friends", "en"),
        (f"please share this video with your friends. {BEFORE}", "please share this video with your friends", "en"),
        (f"{BEFORE} “the science of happiness” {AFTER}", "the science of happiness", "en"),
        (f"{BEFORE}: nous sommes allés au marché, {AFTER}", "nous sommes allés au marché", "fr"),
        (f"{BEFORE}። መልካም ቀን ለሁላችሁም ይሁንላችሁ። {AFTER}", "መልካም ቀን ለሁላችሁም ይሁንላችሁ", "am"),
    ],
)
def test_a_foreign_clause_is_found(text, words, code):
    """A clause in another language is found wherever it stands, with its words and language."""
    found = foreign_stretch(text, SO)
    assert (found.words, found.code) == (words, code)


def test_a_switch_inside_a_clause_is_found():
    """Nobody has to write a comma before switching."""
    found = foreign_stretch(f"{BEFORE} because the teacher said that all students should read {AFTER}", SO)
    assert found.code == "en"
    assert found.words in "because the teacher said that all students should read"


@pytest.mark.parametrize(
    "text",
    [
        f"{BEFORE}, {AFTER}",
        f"{BEFORE}, breaking news, {AFTER}",
        f"{BEFORE} Manchester United iyo Real Madrid {AFTER}",
        f"{BEFORE}: Coutinho, De Gea, Rakitic, Neymar, Karim Benzema",
        "waa maxay",
        "",
    ],
)
def test_names_and_single_words_are_no_switch(text):
    """Loanwords, names and lists of names stand in every text."""
    assert foreign_stretch(text, SO) is None


def test_the_expected_language_is_no_switch():
    """What is foreign to one language is at home in another."""
    text = "Mwalimu alisema kwamba wanafunzi wote wanapaswa kusoma vitabu vyao kabla ya mtihani"
    assert foreign_stretch(text, SO).code == "sw"
    assert foreign_stretch(text, SW) is None


def test_of_many_rows_a_seeded_sample_is_looked_at():
    """Beyond what may be looked at a sample is taken, the same for the same seed, and its size is told."""
    switch = "please share this video with your friends"
    rows = [Row("f", line, switch if line % 2 else BEFORE, "a", None, {}) for line in range(300)]
    most = sum(len(row.text) for row in rows) * 2 // 3
    found = find_switches(rows, SO, seed=1, most=most)
    assert found.looked_at == 200
    assert 60 < len(found.rows) < 140
    lines = [row.line for row, _ in found.rows]
    assert lines == sorted(lines)
    assert lines == [row.line for row, _ in find_switches(rows, SO, seed=1, most=most).rows]
    assert lines != [row.line for row, _ in find_switches(rows, SO, seed=2, most=most).rows]
    assert find_switches(rows, SO, seed=1).looked_at == 300
