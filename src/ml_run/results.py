"""The vocabulary: the frozen records handed from stage to stage.

No logic beyond small questions a record can answer about itself, and no import from the rest of the package, so every
other file may depend on this one. Undefined numbers are `None`, never NaN: NaN compares false with everything and
would turn "unknown" into "not below the threshold".
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

Severity = Literal["error", "warning", "info"]
Readiness = Literal["ready", "ready with warnings", "not ready"]
VerdictWord = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Direction = Literal[">=", ">", "<="]
Format = Literal["safetensors", "onnx", "onnx-int8-blocks", "onnx-int8"]
"""What computes a transformer's scores: torch, or ONNX Runtime, in float32 or in whole numbers of 8 bits; those have
one scale for each block of numbers, or one for all numbers of a layer, which is faster and less exact."""
FORMATS: tuple[Format, ...] = ("safetensors", "onnx", "onnx-int8-blocks", "onnx-int8")
"""From the most exact to the least."""
StageName = Literal["data", "train", "evaluate", "gate", "deploy", "registry"]
STAGES: tuple[StageName, ...] = ("data", "train", "evaluate", "gate", "deploy", "registry")
SPLITS = ("train", "val", "test")


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A finite number, or None where it is undefined; NaN and infinities become None on the way in."""


class Record(BaseModel):
    """Base of all records: frozen, and refusing fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- data -----------------------------------------------------------------------------------------------------------


class Example(Record):
    """One place where a finding was seen."""

    file: str
    """The file as the user named it."""
    line: int | None = None
    """1-based physical line (row number for parquet), None when the finding is about the file."""
    text: str = ""
    """The start of the text there, at most 120 characters; empty when it would tell nothing."""
    label: str | None = None


class Finding(Record):
    """One thing a data check saw."""

    rule: str
    """Stable name of the rule, e.g. `leak_exact`."""
    severity: Severity
    message: str
    """What was seen, in one sentence, with its numbers."""
    count: int
    """Rows (or files) concerned."""
    share: Number = None
    """`count` as a share of the rows looked at, 0-1."""
    examples: tuple[Example, ...] = ()
    """At most 20."""
    remedy: str
    """What to do about it."""


class Lengths(Record):
    """Distribution of one length over the rows of a split."""

    minimum: float
    median: float
    mean: float
    p95: float
    maximum: float


class SplitSummary(Record):
    """What one prepared split holds."""

    name: str
    source: str
    """The file or data set it came from, as the user named it."""
    rows: int
    """Rows kept."""
    rejected: int
    """Rows left out; each is in `rejected.jsonl` with its reason."""
    classes: dict[str, int]
    """Rows of each label, every label of the run present (0 where absent)."""
    characters: Lengths
    words: Lengths
    fingerprint: str
    """SHA-256 over the kept rows (text and label, in order)."""


class Advice(Record):
    """One piece of the language profile's guidance that applies to what was measured."""

    topic: str
    text: str
    source: str
    dated: str
    """When the guidance was written or checked, YYYY-MM."""


class LanguageGuess(Record):
    """Which language profile applies and how it was chosen."""

    code: str
    """ISO 639-1 code where there is one, e.g. `so`."""
    name: str
    how: Literal["configured", "recognised"]
    evidence: str


class LeakCount(Record):
    """Rows of one split that another gives away; one cell of the leak matrix."""

    split: str
    into: str
    """The split whose rows are given away; the same split for rows inside it that repeat an earlier one."""
    exact: int
    """Rows of `into` with an exact copy in `split`, whatever its label."""
    near: int
    """Rows of `into` with a near copy in `split` and no exact one."""
    rows: int
    """Rows of `into`."""


class LanguageShare(Record):
    """What two language identifiers say of the rows of one class of one split."""

    split: str
    label: str
    rows: int
    wrong: int
    """Rows that both take for another language."""
    unknown: int
    """Rows too short, or of which neither is sure: unknown is not wrong."""


class LanguageCheck(Record):
    """How the language of the rows was checked."""

    expected: str | None
    """Code of the language the rows were held against; None: it could not be checked."""
    how: str
    """Where the expectation comes from, and which identifiers know the language."""
    shares: tuple[LanguageShare, ...] = ()
    others: dict[str, int] = {}
    """Rows of each language seen instead, by code."""
    scripts: dict[str, int] = {}
    """Rows by the script that most of their letters belong to, e.g. Latin, Arabic, Ethiopic."""


class LabelErrors(Record):
    """Likely label errors: a ranking, and how far it can be trusted on these rows."""

    rows: int
    """Rows looked at: all, or a sample of them."""
    accuracy: float
    """Out-of-fold accuracy of the model that was asked."""
    flagged: int
    """Rows that confident learning would call errors: a count that tracks the model's weakness, no error rate."""
    shown: int
    """Most suspicious rows put into the review queue."""
    planted: int
    """Labels changed on purpose for the self-test."""
    recall: Number
    """Share of the planted errors among as many of the most suspicious rows as were planted."""
    precision: Number
    """Share of planted errors among the `shown` most suspicious rows of the self-test."""


class ShortcutProbe(Record):
    """How well one thing that is not the text's meaning tells the label, by cross-validation."""

    name: str
    """What was looked at: `length`, `punctuation`, `encoding`, `language`, or the name of a field."""
    macro_f1: float
    guess: float
    """Macro-F1 of guessing by class shares."""
    text: float
    """Macro-F1 of the linear text baseline, on the same rows and folds."""
    rows: int


class TokenStats(Record):
    """What the model's tokenizer makes of the rows of one split, or of one class of train."""

    name: str
    """Split or label."""
    rows: int
    tokens: Lengths
    """Tokens of a row, special tokens counted."""
    tokens_per_word: float
    unknown: float
    """Share of tokens that are unknown."""
    cut: float
    """Share of rows longer than `model.max_length`."""
    lost: float
    """Share of all tokens that are cut off."""


class TruncationPoint(Record):
    """One point of the truncation ablation: a linear model that reads only the first words."""

    words: int | None
    """Words read; None: all."""
    macro_f1: float
    """On the validation split, trained on train."""
    standard_error: float


class TokenCheck(Record):
    """The rows as the model will see them."""

    tokenizer: str
    max_length: int
    splits: tuple[TokenStats, ...]
    classes: tuple[TokenStats, ...]
    """Of train."""
    histogram: tuple[int, ...]
    """Training rows by length in tokens; see `edges`."""
    edges: tuple[int, ...]
    """Bounds of the histogram's bins, one more than bins; the last bin includes its upper bound."""
    ablation: tuple[TruncationPoint, ...] = ()
    """Empty where hardly any row is cut."""
    advice: str
    """What to do about `max_length`, in one sentence."""


class Feasibility(Record):
    """Whether the test rows can decide one criterion of the gate, said before any training."""

    criterion: str
    label: str | None = None
    """The class it is about, None: all rows."""
    n: int
    threshold: float
    decidable: bool
    """False: the verdict on it is known beforehand to be INCONCLUSIVE, or cannot be PASS, however good the model."""
    needed: Number = None
    """The smallest value that will pass with this many rows."""
    n_needed: int | None = None
    """Test rows that would be enough to decide it, where they are too few."""
    message: str
    """One sentence."""


class HeldOutRows(Record):
    """The rows of `evaluation.holdout_group`, which nothing is trained on; they are in `data/holdout.parquet`."""

    group: str
    rows: int
    """Taken out of train and val."""
    in_test: int
    """Rows of the group in the test split, which stay there."""
    copies: int
    """Rows of the group left out because train or val has the same text, exactly or nearly, from another source."""


class PreparedData(Record):
    """The data stage's answer. The rows are in `data/{train,val,test}.parquet` of the experiment."""

    labels: tuple[str, ...]
    """All labels, in the order of their ids."""
    splits: dict[str, SplitSummary]
    text_fields: tuple[str, ...]
    label_field: str
    findings: tuple[Finding, ...]
    readiness: Readiness
    fingerprint: str
    """SHA-256 over the three splits: names the data of this run."""
    language: LanguageGuess | None = None
    advice: tuple[Advice, ...] = ()
    leaks: tuple[LeakCount, ...] = ()
    """Copies inside and between splits, before any row was left out; pairs without any are absent."""
    language_check: LanguageCheck | None = None
    label_errors: LabelErrors | None = None
    """None where there are too few rows to train a model on."""
    shortcuts: tuple[ShortcutProbe, ...] = ()
    tokens: TokenCheck | None = None
    feasibility: tuple[Feasibility, ...] = ()
    holdout: HeldOutRows | None = None
    """With `evaluation.holdout_group`: what was taken out of train and val."""
    synthetic: bool = False
    """True when a source file says of itself that it is SYNTHETIC; carried into every report and model card."""


# --- train ----------------------------------------------------------------------------------------------------------


class EpochScores(Record):
    """One row of the training curve."""

    epoch: float
    step: int
    train_loss: Number
    val_loss: Number
    val_macro_f1: Number
    val_accuracy: Number


class Attempt(Record):
    """One try at training a model; the last one made it."""

    learning_rate: float
    warmup_ratio: float
    micro_batch: int
    """Rows in memory at once."""
    accumulation: int
    """Portions of `micro_batch` rows that make one step."""
    failure: str = ""
    """Why it was given up, in one sentence; empty for the one that made the model."""
    seconds: float = 0.0
    """Wall time until it was given up."""


class SeedRun(Record):
    """One of several trainings that differ in their seed alone."""

    seed: int
    best_epoch: float | None
    best_val_macro_f1: Number
    seconds: float
    digest: str
    """`files.folder_digest` of its model folder."""


class FoldRun(Record):
    """One of the trainings of `training.folds`, scored on the rows that it did not learn from."""

    fold: int
    """1 for the first."""
    rows: int
    """Held out."""
    best_epoch: float | None
    """By macro-F1 on the held-out rows; None for a linear model."""
    macro_f1: float
    """On the held-out rows, of the best epoch, over the classes that occur among them."""
    accuracy: float
    seconds: float


class Folds(Record):
    """Cross-validation over the rows of train and val; standard deviations with n - 1."""

    runs: tuple[FoldRun, ...]
    epochs: int | None
    """Median of the best epochs: what the final model was trained for; None for a linear model."""
    macro_f1_mean: float
    macro_f1_sd: float
    accuracy_mean: float
    accuracy_sd: float
    pooled: ModelScores
    """Of all rows, each by the model that did not learn from it; they are in `out_of_fold.parquet`."""


class LinearTrial(Record):
    """One setting of the linear model that was tried, and what it reached on the validation split."""

    words: int | None
    """Words read of a text; None: all."""
    c: float
    """C of the linear SVM: the smaller, the smoother the model."""
    balanced: bool
    """Whether the loss of each class was weighted by the inverse of its share."""
    val_macro_f1: float
    val_accuracy: float


class LinearTuning(Record):
    """How the linear model was chosen and calibrated."""

    trials: tuple[LinearTrial, ...]
    """In the order they were tried."""
    chosen: LinearTrial
    """The best of them by macro-F1, the first of equals."""
    features: int
    """Different pieces of words that the model knows."""
    tuning_rows: int
    """Training rows that the trials learnt from: all, or a sample of them."""
    training_rows: int
    """Training rows that the model learnt from: all, or a sample of them."""
    temperature: float
    """What decision values are divided by before the softmax; found on the validation split."""
    val_ece_uncalibrated: Number
    """Expected calibration error on the validation split, with a temperature of 1."""
    val_ece: Number


class Compute(Record):
    """How the machine was used to train; a training that goes on goes on with it."""

    precision: Literal["float32", "bf16"]
    """Arithmetic of the training steps."""
    why: str
    """Where the precision comes from: the config, or what was measured."""
    attention_dropout: bool
    """False: dropout inside attention was set to 0 while training."""
    allocator: Literal["kept", "system"]
    """kept: freed memory stayed with the process."""
    threads: int
    """Threads that one operation is divided among."""
    embeddings: Literal["whole", "read"] = "whole"
    """read: the rows of the embedding table that no training text needs got their weight decay alone, at the end."""
    lanes: int = 1
    """Parts of a batch that are trained on side by side, each with its share of the threads."""


class FormatTrial(Record):
    """One format of the trained model, as it was measured beside the others on the machine that trained it."""

    format: Format
    same_labels: Number = None
    """Share of the validation rows that get the label which the trained weights give them, 0-1."""
    largest_difference: Number = None
    """Of any probability of these rows from what the trained weights say."""
    single_ms_p50: Number = None
    """Milliseconds to score one text alone."""
    single_ms_p95: Number = None
    rows_per_second: Number = None
    """In batches."""
    megabytes: Number = None
    """Of its weights on disk."""
    refused: str = ""
    """Why it cannot serve; empty where it could."""


class Abstaining(Record):
    """From which confidence on the model answers, by `deployment.abstain_at_risk`."""

    at_risk: float
    """Share of mistakes allowed among the validation rows that are answered."""
    below: Number
    """Confidence below which it abstains. None: not even the surest rows have so few mistakes, and it never does."""
    coverage: Number = None
    """Share of the validation rows that are answered."""
    risk: Number = None
    """Share of mistakes among them."""


class Served(Record):
    """How the trained model answers, from before it was tested on to where it is served."""

    format: Format | None = None
    """None for a linear model, which has but one."""
    trials: tuple[FormatTrial, ...] = ()
    """What was measured to choose it; nothing where there was no choice."""
    compared: int = 0
    """Validation rows that the formats were compared on."""
    rows: int
    """Rows, not learnt from, that temperature and abstaining were fitted on."""
    temperature: Number
    """What scores are divided by before the softmax. None: the model gives no finite scores."""
    abstaining: Abstaining | None = None


class TrainedModel(Record):
    """The candidate. Its folder is `model/` of the experiment; a transformer loads with plain transformers."""

    base: str
    """`model.name` of the config."""
    base_revision: str | None
    """Commit of a hub model, or SHA-256 of a local folder's weights; None for a model trained from scratch."""
    labels: tuple[str, ...]
    max_length: int | None
    """Tokens read of a text; None for a linear model, which counts words (see `linear`)."""
    parameters: int
    digest: str
    """`files.folder_digest` of the model folder."""
    best_epoch: float | None
    """None for a linear model, which has no epochs and no curve."""
    best_val_macro_f1: Number
    global_step: int
    max_steps: int
    stopped_early: bool
    curve: tuple[EpochScores, ...]
    class_weights: tuple[float, ...] | None
    seed: int
    device: str
    seconds: float
    """Wall time of training, summed over resumes, attempts and seeds."""
    peak_memory_mb: Number
    synthetic: bool = False
    compute: Compute | None = None
    """None for a linear model."""
    attempts: tuple[Attempt, ...] = ()
    """What was tried, in order; the last one made the model, and its learning rate is the one that counts."""
    never_predicted: tuple[str, ...] = ()
    """Labels that occur in the validation split and that the model gave to none of its rows."""
    seeds: tuple[SeedRun, ...] = ()
    """With `training.seeds`: all trainings, in their order. This model is the median of them by `best_val_macro_f1`."""
    folds: Folds | None = None
    """With `training.folds`: the cross-validation. This model was trained on all rows of train and val, none of which
    chose its epoch, and `best_val_macro_f1` is the mean of the folds."""
    linear: LinearTuning | None = None
    """For a linear model: how it was tuned."""
    vocabulary: int | None = None
    """Pieces that a transformer knows; None for a linear model."""
    whole_vocabulary: int | None = None
    """Pieces of the base model before its vocabulary was trimmed to the corpus; None where it was not."""
    served: Served | None = None
    """How it answers; None where an older version trained it, and its scores are those of the bare weights."""


# --- evaluate -------------------------------------------------------------------------------------------------------


class Estimate(Record):
    """A number from a sample, with its 95 % interval."""

    value: Number
    low: Number = None
    high: Number = None


class ClassScores(Record):
    """Scores of one class on the test split."""

    label: str
    support: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


class ModelScores(Record):
    """All scores of one model on one set of rows."""

    name: str
    """`candidate`, `majority`, `linear` or `production`."""
    n: int
    accuracy: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate
    log_loss: Number
    ece: Number
    """Expected calibration error, 15 equal-width bins of confidence."""
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: true label, columns: predicted label, in the order of the labels."""
    mcc: Estimate = Estimate(value=None)
    """Matthews' correlation coefficient, -1 to 1."""
    brier: Number = None
    """Mean squared distance of the probabilities from what was right, 0 to 2."""
    ece_floor: Number = None
    """The ECE that a perfectly calibrated model with these confidences shows on average on this many rows."""
    ece_ceiling: Number = None
    """The ECE that such a model stays below in 95 of 100 test sets: only what lies above speaks of miscalibration."""


class ReliabilityBin(Record):
    """The rows of one bin of confidence."""

    low: float
    high: float
    """A confidence of `high` lies in this bin, one of `low` in the bin below."""
    n: int
    confidence: Number
    """Mean over the rows; None where there are none."""
    accuracy: Estimate


class Calibration(Record):
    """Whether confidences are to be believed: those that the model gives, with its temperature, on the test rows."""

    n: int
    bins: tuple[ReliabilityBin, ...]
    """Of the confidences as the model gives them; bins without rows are left out."""
    temperature: Number
    """What its scores are divided by before the softmax; above 1: without it, it would be too sure. None: none is."""
    ece: Number
    ece_without_temperature: Number = None
    log_loss: Number
    log_loss_without_temperature: Number = None

    @model_validator(mode="before")
    @classmethod
    def _of_older_versions(cls, values: Any) -> Any:
        """They fitted a temperature that was not applied, and said what it would have brought."""
        if not isinstance(values, dict) or "ece_with_temperature" not in values:
            return values
        kept = {name: value for name, value in values.items() if not name.endswith("_with_temperature")}
        return kept | {"temperature": None}


class CoveragePoint(Record):
    """What is right when only the rows with at least this confidence are answered."""

    confidence: float
    coverage: float
    """Share of the rows that are answered, 0-1."""
    accuracy: float
    """Of the answered rows."""


class RiskCoverage(Record):
    """What leaving the least sure rows to a person buys."""

    points: tuple[CoveragePoint, ...]
    """From the surest rows to all, at most about 100."""
    area: Number
    """Share of mistakes among the answered rows, averaged over all coverages: the smaller, the better."""


class Look(Record):
    """Which look at its test set an evaluation is; the more looks, the more the best of them owes to luck."""

    number: int
    """1 for the first model that was judged on these rows."""
    alpha: float
    """One-sided error that this look may spend, of .05 for all looks that will ever be."""
    level: float
    """Two-sided level of the intervals that criteria against other models are judged by: 1 - 2 `alpha`."""
    test_set: str
    """SHA-256 over the sorted content hashes of the test rows."""
    head: str
    """Hash of the ledger's line on this look: whoever shortens the ledger contradicts this."""
    warning: str = ""
    """What is wrong with the ledger, or that a fresh test set is due."""


class Comparison(Record):
    """Candidate minus another model, on the same rows."""

    against: str
    n: int
    excluded: int
    """Test rows left out because the other model was trained on them."""
    macro_f1_difference: Estimate
    accuracy_difference: Estimate
    note: str = ""
    """Why a difference is missing, when it is."""
    level: float = 0.95
    """Of both intervals, two-sided."""
    look: int | None = None
    """Number of the look at the test set; None: looks were not counted."""
    p_value: Number = None
    """McNemar's test of equal accuracy, mid-p, two-sided."""
    discordant: int | None = None
    """Rows that only one of the two models gets right."""
    label_first: str | None = None
    """The class whose further rows would narrow the interval of the macro-F1 difference most."""
    warnings: tuple[str, ...] = ()
    """What the verdict does not depend on, but a person should know."""


class SeedScore(Record):
    """What the model of one seed scores on the test split."""

    seed: int
    best_val_macro_f1: Number
    macro_f1: float
    accuracy: float


class Spread(Record):
    """The spread of training: test scores of models that differ in their seed alone, standard deviations with n - 1.

    It says how far another seed would move the score; the interval of an `Estimate`, how far another test set would.
    """

    seeds: tuple[SeedScore, ...]
    macro_f1_mean: float
    macro_f1_sd: float
    accuracy_mean: float
    accuracy_sd: float


class LearningPoint(Record):
    """What the linear model scores on the validation split after learning from some of the training rows."""

    rows: int
    mean: float
    """Macro-F1, mean over the repetitions."""
    sd: Number
    """Standard deviation over the repetitions (n - 1); None for one."""
    repetitions: int


class LearningCurve(Record):
    """How the linear model grows with the training rows, and what more of them would bring.

    Fitted is macro-F1 = a - b * rows ** -c.
    """

    points: tuple[LearningPoint, ...] = ()
    """Fewest rows first."""
    training_rows: int
    """All there are; the last point may be a sample of them."""
    threshold: Number
    """`deployment.min_f1`."""
    a: Number = None
    """The score that no number of rows exceeds; None where too few points could be measured."""
    b: Number = None
    c: Number = None
    outcome: Literal["reached", "within_reach", "out_of_reach", "unknown", "no_threshold"]
    rows_to_reach: int | None = None
    """Further training rows at which the fitted curve reaches the threshold; None where it does not, or not nearly."""
    rows_to_reach_low: int | None = None
    rows_to_reach_high: int | None = None
    """Ends of the 95 % interval; None: open."""
    sentence: str
    """What this comes to, for people."""


SliceKind = Literal["length", "cut", "group", "other_groups", "no_group", "language", "script", "copied"]
"""What the rows of a slice have in common; `cut`: longer than what the model reads, `copied`: has a copy in train."""


class SliceScores(Record):
    """The candidate on some of the test rows, beside all the others."""

    kind: SliceKind
    name: str
    """A group's own name; for other kinds, words for people."""
    n: int
    accuracy: Estimate
    macro_f1: Estimate
    """Over the classes that occur in these rows."""
    classes: int
    """How many these are."""
    difference: Estimate
    """Accuracy minus that of all other test rows."""
    expected: Number = None
    """Accuracy that these rows would have if each class were recognised as it is in the other rows."""
    p_value: Number = None
    """That the accuracy is the other rows': two-sided, for this slice alone. None: too few rows to judge."""
    p_adjusted: Number = None
    """The same, when so many slices are looked at (Holm)."""
    worse: bool | None = None
    """Less accurate than the other rows, beyond chance; None: too few rows to judge."""


class SourceScores(Record):
    """The rows of one source, by linear models that learnt from the source and by one that never saw it."""

    group: str
    n: int
    classes: int
    """Classes that occur in these rows; all of them occur in other sources too."""
    accuracy_known: float
    accuracy_unseen: float
    macro_f1_known: float
    macro_f1_unseen: float
    difference: Estimate
    """Accuracy unseen minus known, on the same rows."""


class SourceDependence(Record):
    """How much the score of a linear model owes to knowing the source of a text, measured on rows of all splits."""

    rows: int
    """Rows that the models learnt from and were scored on: all, or a sample of them."""
    of: int
    """Rows that have a source, in all splits."""
    groups: int
    """Sources that there are; `sources` holds the largest of those with enough rows and several classes."""
    accuracy_known: Estimate
    accuracy_unseen: Estimate
    difference: Estimate
    """Accuracy unseen minus known, on the rows of all `sources` together."""
    sources: tuple[SourceScores, ...] = ()
    """Largest loss first."""
    note: str = ""
    """Why nothing could be measured; empty where it was."""


class HeldOutScores(Record):
    """The candidate on a source that it never saw."""

    group: str
    scores: ModelScores
    """On all rows of the group that nothing was trained on, over the classes that occur in them."""
    elsewhere: ModelScores | None
    """On the test rows of the same classes that are of other sources; None where some class has none."""
    difference: Estimate
    """Accuracy on the unseen source minus accuracy elsewhere: different rows, so their difficulty is part of it."""


class Pushed(Record):
    """Words of a text that pushed the model towards its wrong answer."""

    text: str
    """As shown, personal data masked."""
    change: float
    """What leaving them out takes from the log-odds of the wrong label against the right one; above 0."""
    start: int | None = None
    """Where they begin in `Mistake.text`; None where they stand further on in the text."""


class Mistake(Record):
    """One test row that the candidate labelled wrong."""

    row: int
    """Its number in the test split and in `predictions.parquet`, from 0."""
    file: str
    line: int
    text: str
    """The start of the text, blanks collapsed, personal data masked."""
    label: str
    predicted: str | None
    """None: a label that this run does not know."""
    probability: Number = None
    """Of the predicted label."""
    label_probability: Number = None
    """Of the row's own label."""
    right: tuple[str, ...] = ()
    """Other models that got it right."""
    pushed: tuple[Pushed, ...] = ()
    """Strongest first."""


class ConfusedPair(Record):
    """One label taken for another."""

    label: str
    predicted: str
    rows: int
    of: int
    """Test rows of the label."""
    examples: tuple[int, ...]
    """Rows of `Mistakes.shown`: the surest of them, one in the middle, the least sure."""


class Suspicion(Record):
    """A mistake that looks mislabelled rather than misread."""

    row: int
    why: str
    """What speaks against the label."""


class Mistakes(Record):
    """What the candidate gets wrong. Rows are numbers of rows of the test split."""

    count: int
    shown: tuple[Mistake, ...] = ()
    """Those that the lists below name, each once, in the order of the rows."""
    surest: tuple[int, ...] = ()
    """The most confident ones; empty for a model that gives no probabilities."""
    pairs: tuple[ConfusedPair, ...] = ()
    """Most frequent first."""
    right_elsewhere: dict[str, int] = {}
    """Mistakes that another model got right, by its name."""
    right_by_baseline: tuple[int, ...] = ()
    """A few more that a baseline got right."""
    suspected: tuple[Suspicion, ...] = ()
    """Rows whose label is doubtful, most doubtful first; suspicions, no errors."""
    suspicions: int = 0
    """How many there are, of which `suspected` holds the first."""
    queue: str | None = None
    """The review queue they stand in, relative to the experiment folder."""
    explained: str = ""
    """How the pushing words were found, or why there are none."""


class Evaluation(Record):
    """The evaluate stage's answer, on the test split only."""

    labels: tuple[str, ...]
    n: int
    candidate: ModelScores
    baselines: tuple[ModelScores, ...]
    production: ModelScores | None
    production_version: str | None
    """Version that was production when the candidate was compared with it; promotion is refused if it changed."""
    comparisons: tuple[Comparison, ...]
    latency_ms_p50: Number
    latency_ms_p95: Number
    """Time to score one text, measured on this machine over up to 50 test rows."""
    model_digest: str | None = None
    """`TrainedModel.digest` of the candidate that was judged: no other is deployed on this evaluation."""
    candidate_without_leaks: ModelScores | None = None
    """With `data.leaks: keep`: the scores on the test rows that have no copy in train."""
    spread: Spread | None = None
    """With `training.seeds`: the scores of all of them. The candidate is the median by validation, whatever these."""
    look: Look | None = None
    """None: looks at these rows are not counted, as with predictions from elsewhere."""
    calibration: Calibration | None = None
    """None for a model that gives no probabilities."""
    risk_coverage: RiskCoverage | None = None
    learning_curve: LearningCurve | None = None
    """None where the linear model was not trained: with predictions from elsewhere."""
    slices: tuple[SliceScores, ...] = ()
    """Of the candidate: first those worse beyond chance, then the other judged ones, each lowest difference first."""
    sources: SourceDependence | None = None
    """With `data.group_field`."""
    holdout: HeldOutScores | None = None
    """With `evaluation.holdout_group`."""
    mistakes: Mistakes | None = None
    """None where an older version evaluated."""


# --- gate -----------------------------------------------------------------------------------------------------------


class CriterionResult(Record):
    """One line of the gate."""

    name: str
    """The config key, e.g. `min_accuracy`; per-class criteria add the label: `min_class_f1[Northern]`."""
    metric: str
    direction: Direction
    threshold: float
    value: Number
    low: Number
    high: Number
    n: int
    verdict: VerdictWord
    reason: str
    straddles: bool
    """The interval holds the threshold: another test set of this size could decide otherwise."""
    rows_to_settle: int | None = None
    """Test rows, in all, with which the interval leaves the threshold out in four of five test sets, if the value seen
    is the true one; None if unknowable."""
    level: float = 0.95
    """Of the interval, two-sided."""
    label_first: str | None = None
    """The class whose further rows would narrow the interval most; None where it makes no difference."""


class Verdict(Record):
    """The gate's answer."""

    overall: VerdictWord
    reason: str
    decide_on: Literal["point", "lower_bound"]
    criteria: tuple[CriterionResult, ...]


# --- deploy, registry -----------------------------------------------------------------------------------------------


class Verification(Record):
    """The exported model was loaded in a fresh offline process and compared with the trained one."""

    rows: int
    largest_difference: float
    """Largest absolute difference of any logit."""
    same_labels: bool
    """The label names are the trained model's, and so is every predicted label that is no exact tie."""
    seconds: float
    labels: tuple[str, ...] = ()
    """The label names of the exported model."""
    latency_ms_p50: Number = None
    """To score one of these rows alone, in the fresh process."""
    latency_ms_p95: Number = None
    memory_mb: Number = None
    """Most memory that the fresh process held."""
    cut_off: bool = False
    """It had no network at all, not only one that it was refused."""


class Deployment(Record):
    """What was done with the candidate; written to `deployment.json` with the verdict."""

    action: Literal["deployed", "awaiting", "stopped", "failed"]
    reason: str
    version: str | None = None
    """Version of the registered model; None when none was registered."""
    folder: str | None = None
    """The served copy, relative to the project folder."""
    previous: str | None = None
    """The version that was production before."""
    verification: Verification | None = None
    served: Served | None = None
    """How the model answers, as it was measured; the same code reads it from the model's folder everywhere."""
    override: str | None = None
    """The reason a person gave for deploying a model that did not pass."""
    next_step: str = ""
    """The command that goes on from here."""


class Decision(Record):
    """`deployment.json`: what the gate said and what was done about it."""

    verdict: Verdict
    deployment: Deployment


class Registration(Record):
    """What the tracking store and registry know of the run."""

    status: Literal["sent", "pending"]
    tracking_uri: str
    """With any password masked."""
    model_name: str
    run_id: str | None = None
    version: str | None = None
    aliases: tuple[str, ...] = ()
    reason: str = ""
    """Why something is still to be sent."""


# --- the run --------------------------------------------------------------------------------------------------------


class StageRecord(Record):
    """How one stage of a run ended."""

    status: Literal["running", "finished", "failed", "interrupted"]
    started: str
    seconds: float | None = None
    inputs: str = ""
    """SHA-256 of all that the stage's result depends on."""
    outputs: dict[str, str] = {}
    """SHA-256 of each output file, by its path in the experiment folder."""
    message: str = ""


class RunRecord(Record):
    """`run.json`: the identity and state of a run."""

    id: str
    name: str
    status: Literal["running", "finished", "failed", "interrupted"]
    created: str
    """UTC, ISO 8601."""
    command: str
    config_path: str
    overrides: tuple[str, ...] = ()
    """The `--set` values the run was started with, secrets masked."""
    until: StageName = "registry"
    stages: dict[str, StageRecord] = {}
    versions: dict[str, str] = {}
    git_commit: str | None = None
    host: dict[str, str] = {}
    exit_code: int | None = None


class RunError(Record):
    """Why a run ended without a verdict."""

    found: str
    where: str
    remedy: str
    stage: str | None
    kind: str = ""


class RunResult(Record):
    """`result.json`, the same object that `--json` prints."""

    id: str
    name: str
    status: Literal["finished", "failed", "interrupted"]
    exit_code: int
    folder: str
    readiness: Readiness | None = None
    findings: dict[str, int] = {}
    """Number of findings of each severity."""
    verdict: VerdictWord | None = None
    reason: str = ""
    criteria: tuple[CriterionResult, ...] = ()
    criteria_omitted: int = 0
    """Criteria left out of this object, passed ones first, to keep it short; `deployment.json` holds them all."""
    scores: dict[str, dict[str, Estimate]] = {}
    """By model (candidate, baselines, production), then metric."""
    n_test: int | None = None
    spread: Spread | None = None
    """With `training.seeds`: test scores of all of them, their mean and standard deviation."""
    deployment: Deployment | None = None
    registration: Registration | None = None
    report: str | None = None
    """Path of `report.html`, relative to the project folder."""
    stages: dict[str, str] = {}
    """Status of each stage walked."""
    seconds: float = 0.0
    error: RunError | None = None
    next_step: str = ""
    synthetic: bool = False
