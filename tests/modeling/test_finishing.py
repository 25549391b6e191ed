"""How a trained model answers: fitted before it is tested, sealed with it, read by everybody from its folder."""

import json
import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import LABELS, make_rows
from finished_run import finished_run
from ml_run import files, statistics
from ml_run.errors import StoreError
from ml_run.interruption import Interruption
from ml_run.modeling.finishing import abstain_at, finish_model
from ml_run.modeling.folds import write_out_of_fold
from ml_run.modeling.pyfunc_model import _load_pyfunc
from ml_run.modeling.scoring import load_scorer, load_transformer, softmax
from ml_run.modeling.scoring_file import Scoring, read_scoring, write_scoring
from ml_run.splits import SplitRows
from train_harness import prepare

TEXTS = [row["text"] for row in make_rows(40, seed=5)]


def val_rows(folder):
    """60 rows, of which the model in `folder` is right on the surest 40 and wrong on the others."""
    texts = [row["text"] for row in make_rows(60, 3)]
    soft = load_transformer(folder).probabilities(texts)
    surest = np.argsort(-soft.max(1), kind="stable")[:40]
    ids = [int(said if row in surest else (said + 1) % 3) for row, said in enumerate(soft.argmax(1))]
    return SplitRows(
        texts=texts, labels=[LABELS[one] for one in ids], label_ids=ids, hashes=["h"] * 60,
        files=["val.jsonl"] * 60, lines=list(range(60)), groups=[None] * 60, leaked=[False] * 60,
    )  # fmt: skip


def with_card(run):
    """A finished run's model folder holds no card of its own; training writes one."""
    with files.atomic_folder(run.experiment.model) as folder:
        shutil.copytree(run.experiment.model, folder, dirs_exist_ok=True)
        (folder / "README.md").write_text("# A model\n")
    return run


def finish(run, **updates):
    trained = run.model.model_copy(update=updates)
    return finish_model(run.config, run.experiment, run.data, trained, val_rows(run.experiment.model), Interruption())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A model that was finished, with what its bare weights say of some texts."""
    made = with_card(finished_run(tmp_path_factory.mktemp("finished"), deployment={"abstain_at_risk": 0.05}))
    bare = load_scorer(made.experiment.model, "cpu").logits(TEXTS)
    return SimpleNamespace(made=made, bare=bare, trained=finish(made), folder=made.experiment.model)


def test_what_is_served_is_calibrated_and_predicts_the_same(run):
    """The temperature is in the folder and in every probability that comes out of it; no label changes by it."""
    scoring, scorer = read_scoring(run.folder), load_scorer(run.folder)
    assert scoring.temperature == run.trained.served.temperature == scorer.temperature
    assert scoring.temperature != 1
    found = scorer.probabilities(TEXTS)
    expected = softmax(run.bare.astype(float) / scoring.temperature)
    assert found == pytest.approx(expected, abs=1e-6)
    assert (found.argmax(1) == run.bare.argmax(1)).all()


def test_the_temperature_is_the_one_that_suits_the_validation_rows(run):
    """It is found on rows that the model has not learnt from, by the one function for it."""
    val = val_rows(run.folder)
    bare = load_transformer(run.folder).logits(val.texts).astype(float)
    assert run.trained.served.temperature == pytest.approx(statistics.fit_temperature(bare, val.label_ids), rel=1e-4)
    assert run.trained.served.rows == 60


def test_every_consumer_abstains_alike(run):
    """Scorer and MLflow's model leave the same rows to a person: those below the confidence in the folder."""
    import pandas as pd

    scorer = load_scorer(run.folder)
    assert 1 / 3 < scorer.abstain_below < 1
    found = scorer.probabilities(TEXTS)
    expected = found.max(1).round(6) < scorer.abstain_below
    assert 0 < expected.sum() < len(TEXTS)
    assert (scorer.abstains(found) == expected).all()
    answer = _load_pyfunc(str(run.folder)).predict(pd.DataFrame({"text": TEXTS}))
    assert answer["abstain"].tolist() == expected.tolist()
    assert answer[[f"p_{label}" for label in LABELS]].to_numpy() == pytest.approx(found)


def test_the_folder_is_sealed_as_it_is_recorded_and_plain_transformers_loads_it(run):
    """What was added is in the manifest, and disturbs nobody: the weights are those that were trained."""
    from transformers import AutoModelForSequenceClassification

    assert files.manifest_fault(run.folder) is None
    assert run.trained.digest == files.folder_digest(run.folder)
    assert {"scoring.json", "provenance.json", "sbom.cdx.json"} <= set(
        json.loads((run.folder / files.MANIFEST).read_text())
    )
    plain = AutoModelForSequenceClassification.from_pretrained(run.folder, local_files_only=True)
    assert tuple(plain.config.id2label[number] for number in range(3)) == LABELS
    assert load_transformer(run.folder).logits(TEXTS).tolist() == run.bare.tolist()


def test_the_card_says_how_it_answers(run):
    """Who reads the card learns of temperature and abstaining, with the numbers they were found with."""
    card, one = (run.folder / "README.md").read_text(), run.trained.served.abstaining
    assert card.startswith("# A model\n\n## How it answers\n\nIts scores are divided by ")
    assert f"It abstains below a confidence of {one.below:g}: so " in card
    assert one.risk <= 0.05
    assert 0.6 < one.coverage < 0.75


def test_the_same_training_gives_the_same_folder(run, tmp_path):
    """Nothing in it depends on time or place: its digest names the model."""
    again = with_card(finished_run(tmp_path, deployment={"abstain_at_risk": 0.05}))
    assert finish(again).digest == run.trained.digest


def test_with_folds_the_temperature_is_found_on_what_they_held_out(tmp_path):
    """The final model has learnt from the validation rows; of those it is surer than it should be."""
    made = with_card(finished_run(tmp_path))
    val = val_rows(made.experiment.model)
    soft = np.full((60, 3), 0.05) + 0.85 * np.eye(3)[[number % 3 for number in range(60)]]
    write_out_of_fold(made.experiment.out_of_fold, val, LABELS, [0] * 60, soft)
    found = finish(made, folds="known to be there")
    assert found.served.temperature == pytest.approx(statistics.fit_temperature(np.log(soft), val.label_ids))


def test_a_linear_model_keeps_its_own_temperature(tmp_path):
    """It was calibrated as it was tuned; only abstaining is added."""
    work = prepare(tmp_path, model={"name": "linear"})
    trained = work.train()
    assert trained.served.temperature == trained.linear.temperature
    assert read_scoring(work.experiment.model) == Scoring()
    assert trained.served.format is None


@pytest.mark.parametrize(("risk", "below", "coverage"), [(0.0, 0.9, 0.25), (0.25, 0.8, 1.0), (0.4, 0.8, 1.0)])
def test_the_model_answers_as_many_as_the_risk_allows(risk, below, coverage):
    """Four rows, the second surest group with one mistake: nothing but the surest for no risk, all for a quarter."""
    confidence = np.array([0.9, 0.8, 0.8, 0.8])
    soft, true = np.stack([confidence, 1 - confidence], axis=1), [0, 0, 1, 0]
    found = abstain_at(risk, soft, true)
    assert (found.below, found.coverage) == (below, coverage)
    assert found.risk <= risk


def test_a_risk_that_cannot_be_reached_is_undefined_and_told(caplog):
    """Where the surest rows are wrong no confidence is high enough: there is no threshold, and a warning says so."""
    with caplog.at_level(logging.WARNING, "ml_run"):
        found = abstain_at(0.1, np.array([[0.9, 0.1], [0.6, 0.4]]), [1, 0])
    assert found.below is None
    assert "10.0 % cannot be reached: the model's surest answers hold more mistakes" in caplog.text


@pytest.mark.parametrize(
    "content", ['{"version": 2}', '{"temperature": 0}', '{"temperature": NaN}', '{"abstain_below": 2}', '{"x": 1}', "{"]
)
def test_a_setting_that_is_not_understood_is_refused(run, tmp_path, content):
    """A later version's file, or a damaged one: nothing is guessed."""
    copy = tmp_path / "model"
    shutil.copytree(run.folder, copy)
    (copy / "scoring.json").write_text(content)
    with pytest.raises(StoreError, match=r"scoring\.json is damaged, or a later version of ml-run wrote it"):
        load_scorer(copy, verified=True)


def test_a_folder_without_settings_is_scored_by_its_weights_alone(run, tmp_path):
    """Models of older versions, and anybody's: no temperature, no abstaining."""
    copy = tmp_path / "model"
    shutil.copytree(run.folder, copy)
    (copy / "scoring.json").unlink()
    scorer = load_scorer(copy, verified=True)
    assert scorer.logits(TEXTS).tolist() == run.bare.tolist()
    assert not scorer.abstains(scorer.probabilities(TEXTS)).any()
    write_scoring(copy, Scoring(temperature=2.0))
    assert load_scorer(copy, verified=True).logits(TEXTS) == pytest.approx(run.bare / 2, abs=1e-6)
