"""What a report says of a cross-validation."""

from ml_run.reporting import markdown, write_reports
from ml_run.reporting.fold_sections import fold_content
from ml_run.results import FoldRun, Folds
from report_sample import make_config, make_finished, make_model, make_scores

TABLE = """
*Cross-validation over train and val: 2 folds*

| Fold | Rows held out | Best epoch | Macro-F1 | Accuracy | Time |
| ---: | ---: | ---: | ---: | ---: | ---: |
| 1 | 91 | 3 | 0.700 | 0.720 | 8.0 s |
| 2 | 89 | 4 | 0.800 | 0.810 | 9.0 s |
| mean ± sd |  |  | 0.750 ± 0.071 | 0.765 ± 0.064 |  |
"""


def make_folds(epochs=4):
    runs = (
        FoldRun(fold=1, rows=91, best_epoch=epochs and 3, macro_f1=0.7, accuracy=0.72, seconds=8),
        FoldRun(fold=2, rows=89, best_epoch=epochs and 4, macro_f1=0.8, accuracy=0.81, seconds=9),
    )
    return Folds(
        runs=runs, epochs=epochs, macro_f1_mean=0.75, macro_f1_sd=0.0707, accuracy_mean=0.765, accuracy_sd=0.0636,
        pooled=make_scores("out_of_fold", 0.76),
    )  # fmt: skip


def test_every_fold_and_what_they_come_to():
    """A line a fold, mean and deviation, and the scores of all rows together with their interval."""
    text, table = (markdown.content(piece) for piece in fold_content(make_folds()))
    assert table.startswith(TABLE.strip())
    assert "| all rows | 180 |  | 0." in table
    assert "for 4 epochs, the median of the folds' best" in text
    assert "The test split took no part." in text


def test_a_linear_model_has_no_epochs_to_choose():
    """Of a linear model it is said that its setting was chosen, not its epochs."""
    text, table = (markdown.content(piece) for piece in fold_content(make_folds(epochs=None)))
    assert "epochs" not in text
    assert "| 1 | 91 | – |" in table


def test_a_report_on_a_cross_validated_model(tmp_path):
    """The score is the folds', no curve of scores on known rows is drawn, and nobody is told to train longer."""
    model = make_model(folds=make_folds(), best_epoch=5.0)
    untold = {"val_loss": None, "val_macro_f1": None, "val_accuracy": None}
    model = model.model_copy(update={"curve": tuple(epoch.model_copy(update=untold) for epoch in model.curve)})
    experiment = make_finished(tmp_path, model=model)
    write_reports(make_config(tmp_path, training={"folds": 2}), experiment)
    report = experiment.report_md.read_text("utf-8")
    assert "| Epochs | 4 epochs, as the folds have found; their mean macro-F1 is 0.750 |" in report
    assert "*The training of the final model*" in report
    assert TABLE.strip() in report
    assert "Best epoch | " not in report.replace("| Fold | Rows held out | Best epoch | ", "")
    assert "Train longer" not in report
    assert "training-curve" not in report
