"""The config of a user without data: what to put where."""

from ml_run.starting.base_models import BaseChoice
from ml_run.starting.choice import Choice
from ml_run.starting.gate_keys import ACCURACY, MACRO_F1


def example_choices(base: BaseChoice) -> tuple[Choice, ...]:
    """Every key that a first config needs, with what belongs there."""
    return (
        Choice(
            "data.train_path",
            "data/train.jsonl",
            'one object a line, such as {"text": "Maanta roob badan ayaa da\'ay.", "label": "weather"}; or csv, tsv or '
            "parquet with the columns text and label; each also as .gz. Relative to this file. From a few hundred rows "
            "on, 30 and more of each label",
        ),
        Choice(
            "data.test_share",
            0.2,
            "without test_path and val_path, 20 % of the rows are held back for the one test that decides, and 15 % to "
            "choose by; copies of a text stay together. Two more files, data/val.jsonl and data/test.jsonl, are named "
            "by val_path and test_path",
        ),
        Choice("data.text_field", "text", "the field that holds the text, under whatever name"),
        Choice("data.label_field", "label", "the field that holds the one label of the row"),
        Choice("model.name", base.name, base.why, base.more),
        Choice("training.seed", 42, "every random choice follows from it"),
        Choice("deployment.auto_deploy", False, "look at the first verdict yourself, then: ml-run deploy ID"),
        Choice(
            "deployment.min_accuracy",
            ACCURACY,
            "put in what a wrong label costs you, before you see a score; this is one project's production gate (its "
            "research gate: 0.75)",
        ),
        Choice("deployment.min_f1", MACRO_F1, "macro-F1, in which every class counts the same (research: 0.70)"),
    )
