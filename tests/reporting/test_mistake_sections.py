"""Mistakes in the report: real texts in any script, marked without colour alone, and never as markup."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ml_run.experiment import Experiment
from ml_run.reporting import markdown, mistake_sections, page
from ml_run.reporting.document import Document, Mark, Opening, Passage
from ml_run.reporting.records import Place
from ml_run.results import ConfusedPair, Mistake, Mistakes, Pushed, Suspicion
from report_sample import HOSTILE, LABELS, make_config, make_evaluation

WHY = "the model is sure of Central (97.0 %, this label 1.0 %), and so is the linear model"
ARABIC = "هذا نص شمالي قصير"
ETHIOPIC = "ሰላም፡ለዓለም።"


def mistake(row, text, pushed=(), **changed):
    values = {"label": "Northern", "predicted": "Central", "probability": 0.97, "label_probability": 0.01}
    return Mistake(row=row, file="data/test.jsonl", line=row + 1, text=text, pushed=pushed, **(values | changed))


def make_mistakes(*shown, **changed):
    rows = tuple(one.row for one in shown)
    pair = ConfusedPair(label="Northern", predicted="Central", rows=9, of=60, examples=rows)
    values = {"count": 27, "shown": shown, "pairs": (pair,), "explained": "each word was left out once"}
    return Mistakes(**(values | changed))


def section(found, labels=LABELS, place=True):
    project = Path("/work/project")
    where = Place(make_config(project), Experiment(project / "experiments/exp_1")) if place else None
    evaluation = make_evaluation(labels).model_copy(update={"mistakes": found})
    first, more = mistake_sections.mistakes(evaluation, where), mistake_sections.more_mistakes(evaluation, where)
    return replace(first, content=(*first.content, *(piece for one in more for piece in one.content)))


def told(found, **how):
    return [markdown.content(piece) for piece in section(found, **how).content]


def page_of(found, **how):
    opening = Opening(Mark("PASS"), "It passed.", ())
    return page.render(Document("Report", "name", ("about",), "", opening, (section(found, **how),)))


def test_each_confusion_has_its_texts_with_the_words_that_spoke_for_it():
    """Where it stands, the text with the words marked, how sure, and who knew better; cut words are named behind it."""
    pushed = (Pushed(text="gaaray", change=2.1, start=5), Pushed(text="yiri", change=0.7))
    parts = told(make_mistakes(mistake(3, "guri gaaray biyo …", pushed, right=("majority", "linear", "production"))))
    assert parts[0] == "27 test texts of 180 got the wrong label. Most often:"
    assert parts[1].split("\n")[0] == "- Northern read as Central: 9 of 60 (15.0 %)."
    assert parts[2:4] == [
        "Words that spoke for the wrong label are **marked**. Each word was left out once.",
        "### Northern read as Central",
    ]
    assert parts[4].split("\n") == [
        "*1 example of 9*",
        "",
        "> guri **gaaray** biyo …",
        ">",
        (
            "> data/test.jsonl:4 · labelled Northern, read as Central, 97.0 % sure, 1.0 % for Northern"
            " · read right by linear, production · further on: **yiri**"
        ),
    ]


def test_the_surest_and_what_others_got_right_stand_with_the_evidence():
    """Each with what it is, folded on the page; a row without a probability says nothing of it."""
    found = make_mistakes(
        mistake(3, "one"),
        mistake(8, "two", predicted=None, probability=None),
        pairs=(),
        surest=(3,),
        right_elsewhere={"majority": 0, "linear": 12, "production": 3},
        right_by_baseline=(8,),
        explained="",
    )
    doubts, surest, first, elsewhere, counts, others = told(found)[2:]
    assert (surest, elsewhere) == ("### Sure, and wrong", "### Wrong here, right elsewhere")
    assert first.split("\n")[0::2] == [
        "*The 1 mistake that it was surest of*",
        "> one",
        "> data/test.jsonl:4 · labelled Northern, read as Central, 97.0 % sure, 1.0 % for Northern",
    ]
    assert counts == "Of the 27 mistakes, linear got 12 right, production got 3 right."
    assert others.split("\n")[0::2] == [
        "*More mistakes that a baseline got right, the surest first*",
        "> two",
        "> data/test.jsonl:9 · labelled Northern, read as a label that this run does not know",
    ]
    assert doubts == (
        "None of them looks mislabelled: nowhere were the model and a second witness sure of the same label."
    )


def test_predictions_without_texts_still_say_where():
    """The file and the line are all that is known of such a row."""
    assert "> (the text was not given)\n>\n> data/test.jsonl:4 · labelled" in told(make_mistakes(mistake(3, "")))[-1]


def test_doubtful_labels_are_called_suspicions_and_their_file_is_named():
    """How many, why, that nothing was changed, what they are worth and how corrections come back."""
    found = make_mistakes(
        mistake(3, "one"), suspected=(Suspicion(row=3, why=WHY),), suspicions=1, queue="data/review_queue.csv"
    )
    *_, heading, said, rows = told(found)
    assert heading == "### Labels to look at"
    assert said == (
        "**1 of 27 mistakes looks mislabelled** rather than misread: the model is sure, and so is a model of another "
        "kind, or copies of the text in the training data have the label that it gave. These are suspicions, no "
        "errors: whoever learnt from the same data may share its prejudices. No label was changed. It stands in "
        "`experiments/exp_1/data/review_queue.csv`; "
        "`ml-run check-data --apply experiments/exp_1/data/review_queue.csv` takes in what is corrected there. "
        "Correcting only what a model disagrees with makes it look better than it is: "
        "have somebody who knows the language decide without seeing its answer, and look at as many rows that it got "
        "right."
    )
    assert rows.endswith(f"> one\n>\n> data/test.jsonl:4 · labelled Northern · {WHY[0].upper()}{WHY[1:]}.")
    many = found.model_copy(update={"suspicions": 70})
    assert "70 of 27 mistakes look" in told(many)[-2]
    assert "The first 1 stand in" in told(many)[-2]
    assert "review_queue" not in told(found, place=False)[-2]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text):
    """Scripts, links, formulas and escapes stay the characters they are, marked or not, on the page and in Markdown."""
    marked = mistake(3, f"a {text} b", (Pushed(text=text, change=1.0, start=2),), label=text)
    plain = mistake(4, text, right=(text,))
    found = make_mistakes(marked, plain, surest=(3, 4), right_elsewhere={text: 2})
    shown = page_of(found)
    body = shown.split("<main>")[1]
    assert set(re.findall(r"<(\w+)", body)) <= {
        "section", "h2", "h3", "p", "ul", "li", "nav", "a", "div", "table", "caption", "span", "thead", "tbody", "tr",
        "th", "td", "bdi", "mark", "footer", "blockquote", "details", "summary",
    }  # fmt: skip
    visible = html.unescape(re.sub(r"<[^>]+>", "", body))
    if text.isprintable():
        assert f"a {text} b" in visible
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    for part in told(found):
        rendered = MarkdownIt("commonmark").enable("table").render(part)
        assert not re.search(r"<(?!/?(?:p|ul|li|h3|em|strong|blockquote)\b)", rendered)


def test_a_text_is_one_piece_with_a_direction_of_its_own():
    """The marks stand within the text: Arabic goes on from right to left across them; Ethiopic is marked, too."""
    arabic = mistake(3, ARABIC, (Pushed(text="شمالي", change=1.0, start=7),))
    ethiopic = mistake(4, ETHIOPIC, (Pushed(text="ለዓለም።", change=1.0, start=4),))
    shown = page_of(make_mistakes(arabic, ethiopic))
    assert '<blockquote dir="auto">هذا نص <mark>شمالي</mark> قصير</blockquote>' in shown
    assert '<blockquote dir="auto">ሰላም፡<mark>ለዓለም።</mark></blockquote>' in shown
    assert "mark { padding: 0 .1em; border-bottom: 2px solid currentColor;" in shown


def test_marks_in_markdown_are_bold_words():
    """What is marked is bold where words stand apart, and the words stay the same in any case."""
    source = markdown.inline((Passage((("guri ", False), ("*gaaray*, [x](y)", True), (" biyo", False))),))
    rendered = MarkdownIt("commonmark").render(source)
    assert rendered == "<p>guri <strong>*gaaray*, [x](y)</strong> biyo</p>\n"


def test_without_texts_the_confusions_are_still_told():
    """Evaluations of older versions have none; a model without a mistake has nothing to show."""
    assert len(told(None)) == 2
    assert told(make_mistakes(count=0), labels=LABELS)[0].startswith("27 test texts of 180")
    right = make_evaluation(LABELS, level=1.0)
    said = mistake_sections.mistakes(right).content
    assert [markdown.content(piece) for piece in said] == [
        "It labelled every test text right. On so few mistakes nothing can be said of its weaknesses."
    ]
