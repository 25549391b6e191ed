"""The rules of the data stage: one table that the config check, the checks themselves and the docs read.

`docs/checks.md` explains each rule with an example.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One thing a check looks for."""

    name: str
    severity: str
    """Default severity, and the limits at which it changes."""
    meaning: str
    """One line."""
    remedy: str
    """What to do, where the check has nothing more exact to say."""


_TABLE = (
    Rule(
        "unreadable_line",
        "error",
        "a line that is no JSON object, or has not the header's fields",
        "correct the lines (each is in rejected.jsonl) or delete them",
    ),
    Rule(
        "encoding",
        "error",
        "text that is not valid UTF-8",
        "save the file as UTF-8; if only some lines are wrong, files of two encodings were joined: convert each first",
    ),
    Rule(
        "missing_field",
        "error",
        "a row without a text or without a label",
        "fill in the field, or delete the rows",
    ),
    Rule(
        "wrong_type",
        "error",
        "a text that is not a string, or a label that is a list or an object",
        "write texts as strings; give each row one label",
    ),
    Rule(
        "empty_text",
        "warning; error above 0.5 % of all rows",
        "a text without a single letter",
        "the rows are left out; find out why the source has them",
    ),
    Rule("bom", "info", "a file that begins with a byte order mark", "nothing: it is taken off"),
    Rule("blank_line", "info", "a line with nothing on it", "nothing: it is no row"),
    Rule(
        "quoting",
        "info",
        "a csv or tsv file whose quotes are plain characters, not quoting",
        "nothing, if the texts begin and end as they should; otherwise write the file again with proper quoting",
    ),
    Rule(
        "field_chosen",
        "info",
        "the default field is absent and a known alternative is used",
        "nothing, if it is the right one; otherwise set data.text_field or data.label_field",
    ),
    Rule(
        "missing_group",
        "warning",
        "a row without the field named by data.group_field",
        "fill in the group: such a row counts as a group of its own",
    ),
    Rule("label_whitespace", "info", "a label with blanks around it", "nothing: the blanks are taken off"),
    Rule(
        "label_map_unused",
        "warning",
        "an entry of data.label_map that no row has",
        "correct its spelling or delete it",
    ),
    Rule(
        "label_variants",
        "error",
        "labels that differ only by case, blanks or Unicode form",
        "map them to one in data.label_map",
    ),
    Rule(
        "single_label",
        "error",
        "all rows have the same label",
        "check data.label_field: a classifier needs two classes or more",
    ),
    Rule(
        "label_only_in_eval",
        "error",
        "a label that occurs in val or test but not in train",
        "correct the label, map it in data.label_map, or add training rows of it",
    ),
    Rule(
        "class_too_small",
        "error",
        "fewer than 10 rows of a class in train or test",
        "label more rows of the class, or join it with another in data.label_map",
    ),
    Rule(
        "class_small",
        "warning",
        "fewer than 30 rows of a class in test, or none in val",
        "label more rows of the class for that split; until then its scores say little",
    ),
    Rule(
        "imbalance",
        "warning",
        "the largest class of train is more than 10 times its smallest",
        "try training.class_weights: balanced, and judge by macro-F1, not accuracy",
    ),
    Rule(
        "duplicate_exact",
        "info; warning above 1 % of a split",
        "rows of one split that say the same and have the same label",
        "delete the copies if they are accidents of collection; they are kept",
    ),
    Rule(
        "conflict",
        "warning; error above 1 % of all rows",
        "the same text with different labels",
        "decide on one label each: the rows are in review_queue.csv",
    ),
    Rule(
        "leak_exact",
        "info; warning above 0.5 % of a split; error above 5 % unless data.leaks is set",
        "the same text in two splits",
        "find out how the splits were made, and make them again from rows without copies",
    ),
    Rule(
        "leak_group",
        "warning",
        "a group (data.group_field) with rows in train and in val or test",
        "put all rows of a group into one split, or leave out val_path and test_path to have that done",
    ),
    Rule(
        "split_made",
        "info",
        "val or test was divided from train by content hash",
        "nothing; give val_path and test_path to divide the rows yourself",
    ),
    Rule(
        "mojibake",
        "info; warning above 1 % of all rows",
        "text that was decoded with the wrong encoding at some time, or lost characters by it",
        "read the original again with its true encoding",
    ),
    Rule(
        "invisible_characters",
        "info",
        "zero-width, direction or control characters inside a text",
        "nothing for comparing, which ignores them; the tokenizer sees them, so remove them at the source if you can",
    ),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _TABLE}
"""All rules by name, in the order of the docs."""
