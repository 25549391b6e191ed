import numpy as np

from conftest import make_rows
from ml_run.drift.directions import learn_directions
from ml_run.drift.grams import bucket_counts, learn_seen, unseen_shares

TEXTS = [row["text"] for row in make_rows(300)]
ENGLISH = "the quick brown fox jumps over every lazy dog of the neighbourhood"


def test_what_training_has_seen_is_no_news():
    """Training texts hold nothing unseen, whatever their letters and blanks; another language does; "" is no error."""
    seen = learn_seen(TEXTS)
    assert seen.shape == ((1 << 20) // 8,)
    assert unseen_shares(TEXTS[:20], seen).max() == 0
    assert unseen_shares([TEXTS[0].upper().replace(" ", " \n\t")], seen)[0] == 0
    english, amharic = unseen_shares([ENGLISH, "ሰላም ለዓለም እንደምን አላችሁ"], seen)
    assert 0.5 < english <= 1
    assert amharic == 1.0
    assert 0 <= unseen_shares([""], seen)[0] <= 1
    assert unseen_shares([], seen).shape == (0,)


def test_texts_are_measured_each_by_itself():
    """A text has the same numbers alone and among others, and only its first 2,000 characters count."""
    seen = learn_seen(TEXTS[:100])
    together = unseen_shares(TEXTS, seen)
    assert together[7] == unseen_shares([TEXTS[7]], seen)[0]
    long = "waa erey " * 500
    assert unseen_shares([long], seen)[0] == unseen_shares([long[:2000]], seen)[0]
    assert (bucket_counts(TEXTS)[7] != bucket_counts([TEXTS[7]])).nnz == 0


def test_a_text_is_a_point_of_length_one():
    """The same text is the same point; texts of one label, which share words, are nearer to each other."""
    directions = learn_directions(TEXTS)
    points = directions.points([*TEXTS[:50], ENGLISH, ""])
    assert points.shape == (52, 32)
    assert np.allclose((points[:51] ** 2).sum(1), 1, atol=1e-5)
    assert np.allclose(directions.points([TEXTS[3]])[0], points[3], atol=1e-6)
    alike = points[:48] @ points[:48].T
    same_label = np.arange(48)[:, None] % 3 == np.arange(48) % 3
    np.fill_diagonal(same_label, val=False)
    assert alike[same_label].mean() > alike[~same_label].mean() + 0.1


def test_too_few_texts_have_no_directions():
    """One text, or none, gives no directions; the same text many times gives some that are no error."""
    assert learn_directions([]) is None
    assert learn_directions(["waa hal"]) is None
    same = learn_directions(["waa hal qoraal"] * 5)
    assert same is None or np.isfinite(same.points(["waa hal qoraal"])).all()
