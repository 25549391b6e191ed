import pytest
import yaml

from ml_run.reporting import ModelFacts, render_model_card
from ml_run.results import LinearTrial, LinearTuning
from report_sample import HOSTILE, make_config, make_data

SECTIONS = [
    "Model details",
    "Intended and out-of-scope use",
    "Factors",
    "Metrics",
    "Training and evaluation data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


_TRIAL = LinearTrial(words=64, c=0.25, balanced=True, val_macro_f1=0.71, val_accuracy=0.8)
LINEAR_FACTS = {
    "base": "linear", "base_revision": None, "max_length": None, "best_epoch": None,
    "linear": LinearTuning(
        trials=(_TRIAL, _TRIAL.model_copy(update={"c": 0.5})), chosen=_TRIAL, features=10, tuning_rows=1_015,
        training_rows=1_015, temperature=0.2, val_ece_uncalibrated=None, val_ece=None,
    ),
}  # fmt: skip


def facts(**changed):
    values = {
        "base": "xlm-roberta-base",
        "base_revision": "c" * 40,
        "labels": ("a", "b"),
        "max_length": 128,
        "parameters": 1000,
        "seed": 42,
        "best_epoch": 2.0,
        "best_val_macro_f1": 0.71,
    }
    return ModelFacts(**(values | changed))


def front_matter(card):
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def sections(card):
    return [line[3:] for line in card.splitlines() if line.startswith("## ")]


def test_the_card_has_the_hub_s_front_matter(tmp_path):
    """What the hub reads is there and names no licence that nobody gave."""
    assert front_matter(render_model_card(make_config(tmp_path), make_data(), facts())) == {
        "language": ["so"],
        "base_model": "xlm-roberta-base",
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["text-classification", "ml-run"],
        "metrics": ["f1", "accuracy"],
    }


def test_the_card_claims_no_test_score_and_says_where_they_are(tmp_path):
    """The folder is sealed before the test: the card has all its sections and sends to the run's report for scores."""
    card = render_model_card(make_config(tmp_path), make_data(), facts())
    assert sections(card) == SECTIONS
    assert "which chose the epoch and is therefore no test: 0.710." in card
    assert "verdict of the gate are in the report of the run that trained it (report.html and report.md)." in card
    assert "PASS" not in card


@pytest.mark.parametrize(
    ("base", "revision", "shown"),
    [
        ("scratch:tiny", None, "| Base model | none: trained from scratch |"),
        ("/home/someone/models/my-model", "f" * 64, f"| Base model | my-model, revision {'f' * 64} |"),
        ("models/my-model", "f" * 64, f"| Base model | my-model, revision {'f' * 64} |"),
    ],
)
def test_only_hub_models_are_named_as_base_model(tmp_path, base, revision, shown):
    """A local folder's path or scratch:tiny is no id on the hub, and a path is nobody's business."""
    card = render_model_card(make_config(tmp_path), make_data(), facts(base=base, base_revision=revision))
    assert "base_model" not in front_matter(card)
    assert shown in card
    assert "/home/someone" not in card


def test_synthetic_models_say_so_at_the_top_in_the_tags_and_in_the_caveats(tmp_path):
    """A model trained on generated text cannot be mistaken for a real one."""
    card = render_model_card(make_config(tmp_path), make_data(synthetic=True), facts())
    assert "synthetic" in front_matter(card)["tags"]
    assert card.count("SYNTHETIC: trained on generated text") == 2
    assert card.index("> **SYNTHETIC") < card.index("## Model details")
    assert "To see what ml-run does. Not for any real text." in card


def test_hostile_labels_stay_text_in_the_card(tmp_path):
    """The hub renders Markdown with HTML: no label may become either."""
    card = render_model_card(make_config(tmp_path), make_data(HOSTILE), facts(labels=HOSTILE))
    assert "<script" not in card
    assert "\x1b" not in card
    assert r"\[a](javascript:alert)" in card


def test_a_data_set_without_language_has_a_card_too(tmp_path):
    """Nothing is guessed where nothing was recognised."""
    card = render_model_card(make_config(tmp_path), make_data(language=None, advice=(), findings=()), facts())
    assert "language" not in front_matter(card)
    assert "# Text classifier: Northern, Central, Southern" in card


def test_the_card_of_a_linear_model(tmp_path):
    """What it reads, how it was chosen and how it is loaded; nothing of tokens, epochs and a base model."""
    card = render_model_card(make_config(tmp_path), make_data(), facts(**LINEAR_FACTS))
    head = front_matter(card)
    assert (head["library_name"], "base_model" in head) == ("ml-run", False)
    assert "| Base model | none: a linear model on character n-grams |" in card
    assert "| Words read of a text | the first 64; the rest is not read |" in card
    assert (
        "| Trained with | ml-run, seed 42, class weights balanced, C 0.25: one of 2 settings, validation macro-F1"
        in card
    )
    assert "| Trained on | 1,015 rows |" in card
    assert "| Loads with | `ml_run.modeling.scoring.load_scorer(folder)`, nothing is unpickled |" in card
    assert "which chose the settings and is therefore no test: 0.710." in card
    assert "Tokens" not in card
    assert "epoch" not in card


@pytest.mark.parametrize(
    ("long_text", "said"),
    [
        ("truncate", "at most 128; the rest is not read |"),
        (
            "head_tail",
            "at most 128; of a longer text three quarters of them from its beginning, the rest from its end |",
        ),
        ("windows", "windows of 128, up to 8 of them spread over all of it; their scores are averaged |"),
    ],
)
def test_the_card_says_what_is_read_of_a_long_text(tmp_path, long_text, said):
    """Whoever loads the folder with transformers alone gets other answers for long texts, and is told so."""
    config = make_config(tmp_path)
    model = config.model.model_copy(update={"long_text": long_text})
    card = render_model_card(config.model_copy(update={"model": model}), make_data(), facts())
    assert f"| Tokens read of a text | {said}" in card
    plainly = "; transformers alone reads the first 128 tokens of a text: not what the scores are for |"
    assert (f"| Loads with | `ml_run.modeling.scoring.load_scorer(folder)`{plainly}" in card) is (
        long_text != "truncate"
    )
