import pytest

from conftest import make_rows
from finished_run import finished_run
from ml_run.drift.tokens import tokens_of
from ml_run.drift.traits import learn_texts, measure
from ml_run.modeling.linear import DESCRIPTION

TEXTS = [row["text"] for row in make_rows(120)]
AMHARIC = "ሰላም ለዓለም እንደምን"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a real transformer."""
    return finished_run(tmp_path_factory.mktemp("tokens")).experiment.model


def test_pieces_are_those_of_the_deployed_tokenizer(model):
    """Each text has its pieces, special ones not counted; letters that the tokenizer never saw are unknown."""
    lengths, unknown = tokens_of(model)([*TEXTS[:3], AMHARIC, ""])
    assert (lengths[:4] >= 3).all()
    assert lengths[4] == 0
    assert unknown[:3].sum() == 0
    assert unknown[3] > 0


def test_a_linear_model_has_no_pieces(tmp_path):
    """It has no tokenizer: nothing is counted, rather than something else in its place."""
    (tmp_path / DESCRIPTION).write_text("{}")
    assert tokens_of(tmp_path) is None


def test_traffic_is_cut_as_the_reference_was(model):
    """The same texts have the same pieces a word when the handoff is built and when traffic is measured."""
    known = learn_texts(TEXTS, TEXTS[:60], None, tokens_of(model), seed=1)
    found = measure([*TEXTS[:60], AMHARIC], known, tokens_of(model))
    assert sorted(found.pieces[:60]) == pytest.approx(known.pieces.values, rel=1e-5)
    assert (known.unknown, int(found.unknown.sum())) == (0, 1)
