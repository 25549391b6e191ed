"""Drift in real texts: Somali news held against Oromo, headlines, other topics, and against itself."""

import csv
from dataclasses import dataclass

import numpy as np
import pytest

from conftest import SHARED
from ml_run.drift.checks import Labels, Window, check_window
from ml_run.drift.content import bandwidth
from ml_run.drift.distribution import distribution
from ml_run.drift.packing import pack
from ml_run.drift.traits import Traits, learn_texts, measure
from ml_run.modeling.linear import LinearScorer
from ml_run.modeling.linear_tuning import Setting, fewest_rows, fit_svm
from ml_run.modeling.ngrams import learn_vocabulary

NEWS = SHARED / "data" / "masakhanews"
ALPHA = 0.05
TRAINED_ON, REFERENCE = 600, 400

needs_shared = pytest.mark.skipif(not NEWS.is_dir(), reason="needs ../shared with the MasakhaNEWS files")


def read_news(language):
    """Articles (headline and text), headlines and topics of all splits of one language."""
    found = []
    for split in ("train", "dev", "test"):
        with (NEWS / language / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
            found += list(csv.DictReader(file, delimiter="\t"))
    return [(f"{row['headline']} {row['text']}", row["headline"], row["category"]) for row in found]


@dataclass(frozen=True)
class Pool:
    """What the model and the checks see of some texts."""

    probabilities: np.ndarray
    traits: Traits

    def take(self, places):
        arrays = {
            name: value if name == "frequencies" or value is None else value[places]
            for name, value in vars(self.traits).items()
        }
        return Pool(self.probabilities[places], Traits(**arrays))

    def __add__(self, other):
        def both(one, two):
            return None if one is None else np.concatenate([one, two])

        arrays = {
            name: both(value, vars(other.traits)[name])
            for name, value in vars(self.traits).items()
            if name != "frequencies"
        }
        return Pool(both(self.probabilities, other.probabilities), Traits(**arrays, frequencies={"a": 1.0}))


class Model:
    """A linear model of some Somali articles, and the others as it sees them."""

    def __init__(self, train, reference, labels):
        texts, ids = [row[0] for row in train], [labels.index(row[2]) for row in train]
        vocabulary, features = learn_vocabulary(texts, 64, fewest_rows(len(texts)))
        weights = fit_svm(features, ids, len(labels), Setting(64, 0.5, balanced=True), 7)
        self.scorer = LinearScorer(labels, vocabulary, *weights, temperature=0.3)
        self.known = learn_texts(texts, [row[0] for row in reference], "so", None, seed=1)

    def sees(self, texts):
        return Pool(self.scorer.probabilities(texts), measure(texts, self.known, None))

    def reference(self, pool):
        """The handed-over reference as if the test split had been these rows."""
        traits, points = pool.traits, pool.traits.points
        update = {
            "n": len(points), "foreign": int(traits.foreign.sum()), "unseen": distribution(traits.unseen),
            "points": pack(points.astype(np.float16)), "width": bandwidth(points),
        }  # fmt: skip
        return self.known.model_copy(update=update)

    def window(self, before, now):
        k = len(self.scorer.labels)
        counts = [np.bincount(pool.probabilities.argmax(1), minlength=k) for pool in (before, now)]
        return Window(
            labels=Labels(self.scorer.labels, *counts),
            confidence=(distribution(before.probabilities.max(1)), now.probabilities.max(1)),
            characters=(distribution(before.traits.characters), now.traits.characters),
            texts=(self.reference(before), now.traits),
            wrong=None,
        )


class News:
    """The corpus, shuffled once: a model of 600 articles, and the rest as it sees them."""

    def __init__(self):
        rows = read_news("som")
        self.chance = np.random.default_rng(7)
        rows = [rows[place] for place in self.chance.permutation(len(rows))]
        labels = tuple(sorted({row[2] for row in rows}))
        train, held_out = rows[:TRAINED_ON], rows[TRAINED_ON:]
        self.topics = np.array([row[2] for row in held_out])
        self.model = Model(train, held_out[:REFERENCE], labels)
        self.held_out = self.model.sees([row[0] for row in held_out])
        self.headlines = self.model.sees([row[1] for row in held_out[:300]])

    def other(self, language, most=None):
        return self.model.sees([row[0] for row in read_news(language)[:most]])

    def alarms(self, n, batches, drifted=None, share=0.0, size=REFERENCE):
        """Share of windows with an alarm, each of n rows beside a reference of other rows, drawn anew."""
        found, names = 0, set()
        for batch in range(batches):
            places = self.chance.permutation(len(self.topics))
            odd = round(share * n)
            now = self.held_out.take(places[size : size + n - odd])
            if odd:
                now = now + drifted.take(self.chance.choice(len(drifted.probabilities), odd, replace=False))
            checks = check_window(self.model.window(self.held_out.take(places[:size]), now), ALPHA, seed=batch)
            raised = {one.name for one in checks if one.alarm}
            found, names = found + bool(raised), names | raised
        return found / batches, names


@pytest.fixture(scope="module")
def news():
    return News()


@needs_shared
def test_oromo_and_headlines_are_found_at_two_hundred_rows(news):
    """A twentieth of Oromo among Somali articles, and headlines in the place of articles, are found in each window."""
    rate, names = news.alarms(200, 4, news.other("orm", 100), 0.05)
    assert rate == 1
    assert "language" in names
    rate, names = news.alarms(200, 4, news.headlines, 1.0)
    assert rate == 1
    assert "length" in names


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("n", [50, 100, 200])
def test_real_texts_of_the_same_source_raise_one_false_alarm_in_twenty(news, n):
    """Over 300 windows of articles held out at random, alarms are no more frequent than .05 and its sampling error."""
    rate, _ = news.alarms(n, 300)
    assert rate <= ALPHA + 1.645 * (ALPHA * (1 - ALPHA) / 300) ** 0.5


@pytest.mark.slow
@needs_shared
def test_the_power_that_the_docs_state(news):
    """What docs/monitoring.md says is found in most windows is."""
    oromo = news.other("orm")
    assert news.alarms(50, 60, oromo, 0.1)[0] >= 0.9
    assert news.alarms(100, 60, oromo, 0.05)[0] >= 0.9
    assert news.alarms(50, 60, news.headlines, 0.3)[0] >= 0.9
