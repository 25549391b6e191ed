"""What a report says of the training of a linear model, and what it does not say of it."""

import pytest

from ml_run.reporting import markdown, write_reports
from ml_run.reporting.linear_sections import linear_training
from ml_run.results import LinearTrial, LinearTuning
from report_sample import make_config, make_evaluation, make_finished, make_model

TRAINING = """
*The model and its training*

|  |  |
| --- | --- |
| Model | linear, on character n-grams |
| Parameters | 216,552: 30,935 n-grams for each class |
| Words read of a text | the first 64 |
| C, class weights | 0.25, balanced |
| Validation macro-F1 | 0.800 |
| Temperature | 0.177, found on the validation split: expected calibration error there 0.538 without it, 0.091 with it |
| Trained on | 1,015 rows |
| Seed | 42 |
| Time | 8.4 s |
| Peak memory | 703 MB |

The first setting is the best known from other data. Another takes its place only where it is better on the validation \
split by more than one standard error: the best of several is often the best by chance.

*Settings tried, on 1,015 training rows*

| Words read | C | Class weights | Validation macro-F1 | Validation accuracy |
| --- | ---: | --- | ---: | ---: |
| the first 64 (kept) | 0.25 | balanced | 0.800 | 0.810 |
| the first 128 | 0.25 | balanced | 0.810 | 0.820 |
| all | 0.25 | balanced | 0.700 | 0.710 |
| the first 64 | 0.5 | balanced | 0.800 | 0.810 |
| the first 64 | 0.25 | none | 0.600 | 0.610 |
"""


def trial(words, c=0.25, balanced=True, f1=0.8):
    return LinearTrial(words=words, c=c, balanced=balanced, val_macro_f1=f1, val_accuracy=f1 + 0.01)


def make_linear(**changed):
    trials = (trial(64), trial(128, f1=0.81), trial(None, f1=0.7), trial(64, 0.5), trial(64, balanced=False, f1=0.6))
    tuning = LinearTuning(
        trials=trials, chosen=trials[0], features=30_935, tuning_rows=1_015, training_rows=1_015, temperature=0.1766,
        val_ece_uncalibrated=0.538, val_ece=0.0908,
    )  # fmt: skip
    values = {
        "base": "linear", "base_revision": None, "max_length": None, "best_epoch": None, "curve": (), "global_step": 0,
        "max_steps": 0, "parameters": 216_552, "best_val_macro_f1": 0.8, "seconds": 8.4, "peak_memory_mb": 702.6,
        "linear": tuning,
    }  # fmt: skip
    return make_model(**(values | changed))


def test_what_was_kept_and_what_was_tried():
    """Every setting with its scores, the one that was kept marked, and how sure the model may be of itself."""
    model = make_linear()
    section = linear_training(model, model.linear)
    assert (section.name, section.title) == ("training", "Training")
    found = "\n\n".join(markdown.content(piece) for piece in section.content)
    assert found == TRAINING.strip()


@pytest.mark.parametrize(
    ("weights", "said"), [("balanced", "balanced"), ("none", "whichever are better on the validation split")]
)
def test_a_report_on_a_linear_model(tmp_path, weights, said):
    """No cheaper model is named beside the cheapest, no epochs are asked for, no seed is blamed, no curve is drawn."""
    evaluation = make_evaluation()
    alone = evaluation.model_copy(
        update={
            "baselines": tuple(b for b in evaluation.baselines if b.name != "linear"),
            "comparisons": tuple(c for c in evaluation.comparisons if c.against != "linear"),
        }
    )
    experiment = make_finished(tmp_path, model=make_linear(), evaluation=alone)
    config = make_config(tmp_path, model={"name": "linear"}, training={"class_weights": weights})
    write_reports(config, experiment)
    report = experiment.report_md.read_text("utf-8")
    assert "linear baseline" not in report
    assert "Take the linear model in earnest" not in report
    assert f"| Training | tuned on the validation split, seed 42, class weights {said} |" in report
    assert (
        "- One model was trained, on one choice of training rows. Other rows can give another; the intervals cover the "
        "choice of the test rows, not that of the training rows.\n"
    ) in report
    assert "Train longer" not in report
    assert "training-curve" not in report
