"""The rules of the data stage: one table that the config check, the checks themselves and the docs read.

`docs/checks.md` explains each rule with an example.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """One number of a rule, which `data.limits` can change under the name `rule.limit`."""

    name: str
    default: float
    low: float
    high: float
    """Bounds of what may be set, inclusive."""
    meaning: str


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
    limits: tuple[Limit, ...] = ()


def _share(name: str, default: float, meaning: str) -> Limit:
    return Limit(name, default, 0, 1, meaning)


def _warning(default: float, of: str) -> Limit:
    return _share("warning_above", default, f"share of {of} above which it is a warning")


def _error(default: float, of: str) -> Limit:
    return _share("error_above", default, f"share of {of} above which it is an error")


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
        (_error(0.005, "all rows"),),
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
        (Limit("rows", 10, 1, 10_000, "rows of a class in train and in test that are enough to go on"),),
    ),
    Rule(
        "class_small",
        "warning",
        "fewer than 30 rows of a class in test, or none in val",
        "label more rows of the class for that split; until then its scores say little",
        (Limit("rows", 30, 1, 100_000, "test rows of a class that are enough to judge it"),),
    ),
    Rule(
        "imbalance",
        "warning",
        "the largest class of train is more than 10 times its smallest",
        "try training.class_weights: balanced, and judge by macro-F1, not accuracy",
        (Limit("ratio", 10, 1, 1_000_000, "largest class of train over its smallest above which it is a warning"),),
    ),
    Rule(
        "duplicate_exact",
        "info; warning above 1 % of a split",
        "rows of one split that say the same and have the same label",
        "delete the copies if they are accidents of collection; they are kept",
        (_warning(0.01, "a split"),),
    ),
    Rule(
        "conflict",
        "warning; error above 1 % of all rows",
        "the same text with different labels",
        "decide on one label each: the rows are in review_queue.csv",
        (_error(0.01, "all rows"),),
    ),
    Rule(
        "leak_exact",
        "info; warning above 0.5 % of a split; error above 5 % unless data.leaks is set",
        "the same text in two splits",
        "find out how the splits were made, and make them again from rows without copies",
        (
            _warning(0.005, "a split"),
            _error(0.05, "a split"),
        ),
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
        (_warning(0.01, "all rows"),),
    ),
    Rule(
        "invisible_characters",
        "info",
        "zero-width, direction or control characters inside a text",
        "nothing for comparing, which ignores them; the tokenizer sees them, so remove them at the source if you can",
    ),
    Rule(
        "null_like",
        "warning",
        "a text or label such as NA, NaN, None or null, or true and false beside other labels",
        "if a program wrote it for nothing or for a word, mend it at the source; otherwise nothing: it counts as text",
    ),
    Rule(
        "label_error",
        "info",
        "rows whose label a model trained on all the others finds least likely",
        "have a native speaker look at them: they are in review_queue.csv, most suspicious first",
        (Limit("shown", 50, 1, 10_000, "rows put into the review queue"),),
    ),
    Rule(
        "annotator_disagreement",
        "info; warning below an agreement of 0.667",
        "annotators of the same rows gave different labels, or said that they were not sure",
        "settle the rows in review_queue.csv and make the labelling guide clearer where they differ",
        (Limit("agreement", 0.667, 0, 1, "Krippendorff's alpha below which it is a warning"),),
    ),
    Rule(
        "duplicate_near",
        "info; warning above 1 % of a split",
        "rows of one split that say nearly the same and have the same label",
        "delete the copies if they are accidents of collection; they are kept",
        (
            Limit("similarity", 0.7, 0.3, 1, "character 5-gram Jaccard from which short texts are near copies"),
            Limit("similarity_long", 0.5, 0.3, 1, "the same where both texts have 1,000 characters or more"),
            _warning(0.01, "a split"),
        ),
    ),
    Rule(
        "conflict_near",
        "warning",
        "nearly the same text with different labels",
        "look which label is wrong, or whether one text was pasted over another: they are in review_queue.csv",
    ),
    Rule(
        "leak_near",
        "info; warning above 0.5 % of a split; error above 5 % unless data.leaks is set",
        "nearly the same text in two splits; exact copies count in its share",
        "find out how the splits were made, and make them again from rows without near copies",
    ),
    Rule(
        "boilerplate",
        "warning",
        "a sentence that stands in more than 1 % of the texts",
        "remove it at the source: it teaches nothing, and can give the label away",
        (
            _warning(0.01, "texts"),
            Limit("texts", 5, 2, 1_000_000, "texts it must stand in at least, however few there are"),
        ),
    ),
    Rule(
        "wrong_language",
        "info; warning above 0.5 % of a split",
        "rows that look like another language than the data's to both identifiers",
        "have a native speaker look at the rows in review_queue.csv; nothing is deleted",
        (_warning(0.005, "a split"),),
    ),
    Rule(
        "language_by_class",
        "warning",
        "a class with more rows in another language than chance allows",
        "find out where the rows of that class come from: a model can learn the language instead of the class",
        (Limit("p", 0.01, 0, 1, "p-value of Fisher's exact test, times the classes, below which it is a warning"),),
    ),
    Rule(
        "language_not_checked",
        "info",
        "the language of all rows, or of more than half of them, could not be checked",
        "set data.language; a language that no identifier knows has to be checked by people",
    ),
    Rule(
        "code_switching",
        "info",
        "rows with a stretch of words in another language",
        "nothing, if the model will meet such texts; otherwise look at a few",
    ),
    Rule(
        "script_mix",
        "info; warning above 0.5 % of all rows",
        "rows mostly in another script than the rest",
        "look whether they belong here; a tokenizer may not know the script",
        (_warning(0.005, "all rows"),),
    ),
    Rule(
        "shortcut",
        "warning",
        "the label can be told from something other than what the text says",
        "collect the classes from the same sources and in the same way, or judge on sources held out",
        (Limit("margin", 0.2, 0, 1, "macro-F1 above a guess by class shares from which it is a warning"),),
    ),
    Rule(
        "not_nfc",
        "info; warning above 1 % of all rows",
        "text that is not in Unicode form NFC: the same word as two sequences of tokens",
        "normalise to NFC at the source, and in whatever calls the model",
        (_warning(0.01, "all rows"),),
    ),
    Rule(
        "apostrophe_variants",
        "info",
        "several characters stand for the same apostrophe",
        "write one form everywhere, and have whatever calls the model do the same",
    ),
    Rule(
        "no_break_space",
        "info",
        "no-break spaces and other blanks that are no plain space",
        "nothing for comparing; replace them at the source if you can",
    ),
    Rule(
        "personal_data",
        "info; warning above 1 % of all rows",
        "what looks like an e-mail address, a telephone number, a web address or a user name",
        "decide whether you may keep it; it is never shown in reports",
        (_warning(0.01, "all rows"),),
    ),
    Rule(
        "short_text",
        "info",
        "texts of fewer than 3 words",
        "see whether they can be told apart at all; a native speaker needs words, too",
        (Limit("words", 3, 1, 1_000, "words that are enough"),),
    ),
    Rule(
        "long_text",
        "info",
        "texts more than 10 times as long as most (the 95th percentile)",
        "see whether several texts were joined in one row",
        (Limit("ratio", 10, 1, 10_000, "times the 95th percentile of the lengths above which a text is long"),),
    ),
    Rule(
        "unknown_tokens",
        "warning",
        "more than 1 % of the tokens are unknown to the model's tokenizer",
        "take a model whose tokenizer knows the script and its letters",
        (_warning(0.01, "tokens"),),
    ),
    Rule(
        "tokens_per_word",
        "warning",
        "the tokenizer breaks a word into more than 4 tokens on average",
        "take a model that was trained on this language or its neighbours",
        (Limit("tokens", 4, 1, 100, "tokens a word above which it is a warning"),),
    ),
    Rule(
        "truncation",
        "info; warning when the part that is cut off helps a linear model",
        "texts longer than model.max_length tokens",
        "raise model.max_length if the cut part is worth its time",
        (
            _share("cut", 0.02, "share of training texts cut above which a linear model is asked what that costs"),
            Limit("standard_errors", 2, 0, 100, "standard errors that a linear model must lose for a warning"),
        ),
    ),
    Rule(
        "tokens_not_checked",
        "info",
        "the model's tokenizer could not be loaded, so tokens were not counted",
        "check model.name, or fetch the model; training needs it anyway",
    ),
    Rule(
        "gate_undecidable",
        "warning",
        "a criterion of the gate that these test rows cannot decide, however good the model is",
        "label more test rows of the classes named, or change the criterion",
    ),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _TABLE}
"""All rules by name, in the order of the docs."""
LIMITS: dict[str, Limit] = {f"{rule.name}.{limit.name}": limit for rule in _TABLE for limit in rule.limits}
"""All limits by the name that `data.limits` knows them by."""
