"""Leave-one-word-out on real models: the numbers are those of asking the model by hand, within a bound on the time."""

from dataclasses import dataclass
from functools import cache

import pytest

from conftest import LABELS, make_rows
from finished_run import finished_run
from ml_run.evaluation.influence import explain
from ml_run.evaluation.passages import opening, words_of
from ml_run.modeling.linear_tuning import Rows, tune
from ml_run.modeling.scoring import Scorer, load_scorer
from ml_run.results import Mistake, Mistakes

METHOD = (
    "each word was left out once and the model asked again: the words shown are those without which the wrong label "
    "loses most against the right one (erasure, Li, Monroe and Jurafsky 2016)"
)

LONG = METHOD + (
    "; of texts of more than {} words, {} parts were left out first, then the words of the 3 parts that did most"
)


@cache
def linear():
    rows = [make_rows(count, seed) for seed, count in enumerate((90, 45))]
    train, val = (Rows([r["text"] for r in one], [LABELS.index(r["label"]) for r in one]) for one in rows)
    return tune(train, val, LABELS, balanced=False, seed=1)[0]


@dataclass
class Counting(Scorer):
    """Counts what it is asked."""

    scorer: Scorer
    asked: int = 0

    @property
    def labels(self):
        return self.scorer.labels

    def logits(self, texts, *, batch_size=32, progress=None):
        self.asked += len(texts)
        return self.scorer.logits(texts, batch_size=batch_size, progress=progress)


def mistakes_of(*texts, label="Northern", predicted="Central"):
    shown = tuple(
        Mistake(
            row=row, file="test.jsonl", line=row + 1, text=opening(words_of(text))[0], label=label, predicted=predicted
        )
        for row, text in enumerate(texts)
    )
    return Mistakes(count=len(shown), shown=shown, surest=tuple(range(len(shown))))


def log_odds(scorer, text, label="Northern", predicted="Central"):
    logits = scorer.logits([text])[0].astype(float)
    return logits[scorer.labels.index(predicted)] - logits[scorer.labels.index(label)]


def test_the_word_that_made_the_mistake_is_named_first_with_what_it_did():
    """Of a Northern text with one Central word, that word is the strongest, and its number is asked by hand."""
    text = "yidhi wadan gaaray biyo"
    found = explain(mistakes_of(text), [text], linear())
    first = found.shown[0].pushed[0]
    by_hand = log_odds(linear(), text) - log_odds(linear(), "yidhi wadan  biyo")
    assert (first.text, first.start, first.change) == ("gaaray", 12, pytest.approx(by_hand, abs=1e-3))
    assert "yidhi" not in [pushed.text for pushed in found.shown[0].pushed]
    assert found.explained == METHOD


def test_a_transformer_is_asked_in_the_same_way(tmp_path):
    """One interface: of a transformer each number is the fall of the log-odds, too, strongest first and above 0."""
    scorer = load_scorer(finished_run(tmp_path).experiment.model, device="cpu")
    text = make_rows(1)[0]["text"]
    pushed = explain(mistakes_of(text), [text], scorer).shown[0].pushed
    assert pushed
    for one in pushed:
        without = text[: one.start] + text[one.start + len(one.text) :]
        assert one.change == pytest.approx(log_odds(scorer, text) - log_odds(scorer, without), abs=2e-3)
    assert [one.change for one in pushed] == sorted((one.change for one in pushed), reverse=True)


def test_long_texts_are_searched_from_parts_to_words():
    """Of 400 words one pushed: found by 30 parts of 14 words, 15 of 3 and 9 of one; it stands beyond what is shown."""
    text = " ".join(["guri"] * 390 + ["gaaray"] + ["guri"] * 9)
    scorer = Counting(linear())
    found = explain(mistakes_of(text), [text], scorer)
    assert scorer.asked <= 2 + 29 + 15 + 9
    assert found.explained == LONG.format(60, 30)
    assert (found.shown[0].pushed[0].text, found.shown[0].pushed[0].start) == ("gaaray", None)


def test_short_texts_lose_nothing_beside_long_ones():
    """While a long text is searched, the words of a short one stay as they were found."""
    short, long = "gaaray yiri dowlad gaaray yiri", " ".join(["guri"] * 99 + ["gaaray"])
    alone = explain(mistakes_of(short), [short], linear())
    both = explain(mistakes_of(short, long), [short, long], linear())
    assert both.shown[0].pushed == alone.shown[0].pushed
    assert [one.text for one in both.shown[1].pushed] == ["gaaray"]


def test_a_slow_model_is_asked_less_or_not_at_all():
    """Within the time there are fewer parts, then fewer texts, then none, and the report is told which."""
    text = " ".join(["guri"] * 19 + ["gaaray"])
    texts = [text] * 4
    skipped = explain(mistakes_of(*texts), texts, linear(), seconds=0)
    assert skipped.shown == mistakes_of(*texts).shown
    assert skipped.explained.startswith(
        "the words that spoke for mistakes were not looked for: it would take longer than 0 seconds: one text takes 0."
    )

    class Slow(Counting):
        def logits(self, texts, **how):
            import time

            end = time.thread_time() + 0.02 * len(texts)
            while time.thread_time() < end:
                pass
            return super().logits(texts, **how)

    some = explain(mistakes_of(*texts), texts, Slow(linear()), seconds=0.8)
    assert [bool(mistake.pushed) for mistake in some.shown] == [True, True, False, False]
    assert some.explained == LONG.format(16, 8) + "; done for 2 of the 4 mistakes shown, to stay within 0.8 seconds"


def test_no_more_than_25_texts_are_explained():
    """The surest come first."""
    texts = ["gaaray guri"] * 30
    found = explain(mistakes_of(*texts), texts, linear())
    assert [bool(mistake.pushed) for mistake in found.shown] == [True] * 25 + [False] * 5
    assert found.explained == METHOD + "; done for 25 of the 30 mistakes shown"


def test_nothing_is_asked_without_a_mistake():
    """A model that made none, and an answer that the model has no name for."""
    scorer = Counting(linear())
    assert explain(Mistakes(count=0), [], scorer) == Mistakes(count=0)
    unknown = mistakes_of("guri", predicted=None)
    assert explain(unknown, ["guri"], scorer) == unknown
    assert scorer.asked == 0


def test_personal_data_that_pushed_is_named_by_its_kind():
    """A telephone number that tells the label is shown as what it is, not as its digits."""
    text = "gaaray +252 61 5551234"
    pushed = explain(mistakes_of(text), [text], linear()).shown[0].pushed
    assert {one.text for one in pushed} <= {"gaaray", "‹telephone number›"}
