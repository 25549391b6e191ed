"""What two language identifiers say together of one text."""

from dataclasses import replace

import pytest

from ml_run.config.language_codes import find_language
from ml_run.quality.identifiers import Reading, Vote, read_py3langid, read_pycld2, voter

SO = find_language("so")
SOMALI = "Macallinka iyo ardaydu waxay isugu yimaadeen dugsiga markii la furay. "
ENGLISH = "The teacher said that all students should read their books before the examination. "
SCOTS = "The bairns didnae ken whit tae dae wi the wee dug the nicht, aye an she wisnae happy wi it"


def judge(text, expected=SO):
    return voter(expected)(text)


def test_both_must_disagree():
    """One identifier that takes a text for another language is not enough."""
    text = "Bankiga World Bank iyo International Monetary Fund oo shiray"
    assert read_pycld2(text).code == "en"
    assert read_py3langid(text).code == "so"
    assert judge(text) == Vote("right")


def test_both_that_disagree_make_it_wrong():
    """The language is named as pycld2 names it, with py3langid's probability."""
    found = judge(ENGLISH)
    assert (found.judgement, found.taken_for) == ("wrong", "en")
    assert found.sure > 0.9


def test_a_guess_is_not_enough():
    """Names and titles that py3langid can only guess at are unknown."""
    text = "Royal Free Hospital Trust London"
    assert read_pycld2(text).code == "en"
    assert read_py3langid(text).code == "en"
    assert judge(text) == Vote("unknown")


@pytest.mark.parametrize("relative", ["sco", "en"])
def test_one_that_names_a_close_relative_makes_it_unknown(relative):
    """pycld2 reads Scots, py3langid English: if either is a close relative of what is expected, nothing is said."""
    assert (read_pycld2(SCOTS).code, read_py3langid(SCOTS).code) == ("sco", "en")
    assert judge(SCOTS).judgement == "wrong"
    assert judge(SCOTS, replace(SO, near=frozenset({relative}))) == Vote("unknown")


def test_a_mixed_text_is_right():
    """A text with a third or more in the expected language is mixed, not foreign."""
    rain = "It rained all night and the river flooded, but nobody was hurt. "
    text = SOMALI + "Waxay dadku u sheegeen in roobku uu ka da'ay deegaanka oo dhan. " + (ENGLISH + rain) * 2
    assert read_pycld2(text).code == "en"
    assert read_pycld2(text).shares["so"] >= 30
    assert judge(text) == Vote("right")


def test_three_words_are_unknown():
    """However sure both are, so little text says nothing; in scripts without blanks characters count, not words."""
    assert read_py3langid("For this reason").sure > 0.8
    assert judge("For this reason") == Vote("unknown")
    assert (
        judge("老师说所有的学生都应该在考试之前读完他们的书因为考试的内容都在书里面所以大家要认真地读书").judgement
        == "wrong"
    )


def test_a_language_that_nobody_knows_has_no_judge():
    """Neither identifier can say anything of Maay."""
    assert voter(find_language("ymm")) is None


def test_codes_are_those_of_the_table():
    """What pycld2 calls iw or zh-Hant is answered by the table's code, and nothing by none."""
    assert read_pycld2("המורה אמר שכל התלמידים צריכים לקרוא את הספרים שלהם").code == "he"
    assert read_pycld2("老師說所有的學生都應該在考試之前讀完他們的書因為考試的內容都在書裡面").code == "zh"
    assert read_pycld2("... 12 ...") == Reading(None, 0.0, {})


def test_texts_that_pycld2_refuses():
    """Control characters, lone surrogates and noncharacters (upstream issue aboSamoor/pycld2#53) never raise."""
    for mark in ("\x00", "\x96", "\ud800", "\ufdd0", "\uffff"):
        assert judge(SOMALI.replace(" ", f" {mark}")) == Vote("right")
    assert judge("\U0001fffe" + SOMALI) == Vote("unknown")
