"""`ml_config.yaml` as frozen pydantic types: every key with its bounds, its default and one sentence on what it does.

The sentence under a field is its description in the schema, in `docs/config.md` and in error messages. Reading the
file, with all its faults and their lines, is `config.file.load_config`.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ml_run.results import Format, Severity

TEXT_PATTERN = r"^[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$"
REGISTERED_NAME_PATTERN = r"^[^\s./:\\\x00-\x1f\x7f][^/:\\\x00-\x1f\x7f]*$"
ADDRESS_PATTERN = r"^(auto|local|ray://[^\s/:@]+:[0-9]{1,5})$"

Text = Annotated[str, Field(pattern=TEXT_PATTERN, max_length=4096)]
FieldName = Annotated[str, Field(min_length=1, max_length=255)]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Threshold = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused, NaN and infinity refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Any text may be a secret that ${NAME} brought in: a repr ends up in logs and tracebacks, so it shows none.
        hidden = (str, tuple, dict)
        return [(name, "…" if isinstance(value, hidden) else value) for name, value in super().__repr_args__()]


class DataConfig(Section):
    """Where the labelled rows are and how to read them."""

    train_path: Text
    """Training split: jsonl, csv, tsv or parquet, also .gz, or hf://dataset[/config]."""
    val_path: Text | None = None
    """Validation split; left out: taken from the training file by content hash."""
    test_path: Text | None = None
    """Test split, used once, for the verdict; left out: taken from the training file by content hash."""
    text_field: FieldName | Annotated[tuple[FieldName, ...], Field(min_length=1)] | None = None
    """Field that holds the text, or a list of fields joined by a blank; default `text`."""
    label_field: FieldName | None = None
    """Field that holds the label; default `label`."""
    group_field: FieldName | None = None
    """Field of the source, speaker or document: a group is never divided between splits."""
    label_map: dict[str, Text] = {}
    """Explicit mapping of labels, e.g. north: Northern. Nothing is ever mapped by guess."""
    language: Annotated[str, Field(pattern=LANGUAGE_PATTERN)] | None = None
    """Language of the texts, e.g. so: what their language is checked against, and its profile where there is one; left
    out: recognised from the texts."""
    leaks: Literal["drop", "keep", "error"] | None = None
    """What to do with training rows that have a copy in val or test: drop, keep or error. Left out: drop, and more than
    5 % of a split leaked is an error; set to drop or keep, it is a warning."""
    val_share: Share = 0.15
    """Share of rows for validation where no val_path is given."""
    test_share: Share = 0.2
    """Share of rows for the test where no test_path is given."""
    unlabelled_path: Text | None = None
    """Further texts without labels, .txt or .txt.gz, one a line: model.trim_vocabulary keeps the pieces they need."""
    revision: Text | None = None
    """Commit of a hub data set."""
    checks: dict[str, Severity | Literal["off"]] = {}
    """Severity of single data checks, by rule name."""
    limits: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = {}
    """Limits of single data checks, as rule.limit, e.g. class_small.rows: 50; docs/checks.md lists them."""


class ModelConfig(Section):
    """Which model to fine-tune."""

    name: Text
    """Hub id, local folder, scratch:tiny, scratch:small, or linear: character n-grams, trained in seconds."""
    num_labels: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Number of classes; checked against the data; left out: taken from the data."""
    max_length: Annotated[int, Field(ge=8, le=8192)] = 512
    """Tokens of a text that the model reads at once."""
    long_text: Literal["truncate", "head_tail", "windows"] = "truncate"
    """What is read of a text longer than max_length. truncate: its beginning; head_tail: its beginning and its end;
    windows: up to 8 overlapping parts, spread over all of it, whose scores are averaged."""
    pooling: Literal["auto", "cls", "mean"] = "auto"
    """What the classifier sees of a text. cls: its first token; mean: also the mean of all tokens, through one layer
    more; auto: cls."""
    revision: Text | None = None
    """Commit of a hub model; give the full hash to be sure of what you get."""
    trim_vocabulary: Literal["auto", "off", "corpus"] = "auto"
    """Take out of a pre-trained model, before training, the pieces that the corpus never uses. auto: where that saves
    much and new texts will not miss them; corpus: in any case."""
    attention_dropout: Literal["keep", "off"] = "keep"
    """Dropout inside attention while training on a CPU. keep: the model's own; off: none, which is faster and another
    model."""


class TrainingConfig(Section):
    """How to fine-tune."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    """Rows a training step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-5
    """Peak learning rate of AdamW."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = 5
    """Passes over the training split, at most. auto: until early_stopping_patience is spent, at most about 2,000 steps
    and 30 epochs."""
    seed: Seed = 42
    """Seed of every random choice."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """AdamW weight decay."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of a layer, as a share of that of the layer above it. Below 1, lower layers learn more slowly."""
    warmup_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of all steps over which the learning rate rises."""
    max_grad_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Gradients are clipped to this norm."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=1024)] = 1
    """Batches whose gradients are summed before a step."""
    early_stopping_patience: Annotated[int, Field(ge=0, le=1000)] = 3
    """Epochs without a better validation macro-F1 after which training stops; 0: never."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: weight the loss of each class by the inverse of its share."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=2, max_length=100)] | None = None
    """Train one model a seed, in place of one with `seed`; the median by validation macro-F1 is the candidate."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """Cross-validate: train on all but one of so many parts of train and val, in turn, and the candidate on all of
    them, for as many epochs as were best. For data too small for a validation split."""
    on_collapse: Literal["retry", "stop"] = "retry"
    """What to do when training diverges or collapses. retry: once more, with a lower learning rate."""
    auto_batch: bool = True
    """When memory runs out, go on with smaller portions of a step, which stays the same step."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Arithmetic of training. auto: bf16 where this machine was measured to be faster with it. Weights, optimizer and
    scoring are float32 in any case."""


class EvaluationConfig(Section):
    """What else the candidate is judged on."""

    holdout_group: Text | None = None
    """A value of data.group_field: rows of this source are not trained on, the candidate is scored on them apart."""


class GateConfig(Section):
    """What the candidate must reach, beyond deployment.min_accuracy and min_f1."""

    decide_on: Literal["point", "lower_bound"] = "point"
    """point: the value decides; lower_bound: the lower end of its 95 % interval decides."""
    min_class_f1: Threshold | None = None
    """F1 that every class must reach."""
    min_class_recall: Threshold | None = None
    """Recall that every class must reach."""
    min_support: Annotated[int, Field(ge=1, le=1_000_000)] = 30
    """Test rows of a class below which its criteria are INCONCLUSIVE."""
    max_regression: Threshold | None = None
    """How much lower than production's the macro-F1 may be, judged on the same rows."""
    min_improvement: Threshold | None = None
    """How much higher than production's the macro-F1 must be, judged on the same rows."""
    must_beat_baseline: bool = False
    """The macro-F1 must be higher than that of every baseline, beyond chance."""
    max_ece: Threshold | None = None
    """Expected calibration error allowed."""
    max_latency_ms: Annotated[float, Field(gt=0, le=3_600_000)] | None = None
    """95th percentile of the time to score one text, in milliseconds."""


class DeploymentConfig(Section):
    """When and whether to deploy."""

    auto_deploy: bool = False
    """true: deploy when the verdict is PASS; false: wait for `ml-run deploy`."""
    min_accuracy: Threshold | None = None
    """Accuracy on the test split that a PASS needs."""
    min_f1: Threshold | None = None
    """Macro-F1 on the test split that a PASS needs."""
    first_deploy: Literal["value_criteria", "manual", "forbid"] = "value_criteria"
    """While there is no production model: judge by the values alone, wait for `ml-run deploy`, or never deploy."""
    formats: Annotated[tuple[Format, ...], Field(min_length=1)] | None = None
    """What may compute a transformer's scores: the fastest of these serves whose labels are those of the trained
    weights. Default: all that can be had here, for a model of 20 million parameters or more on a CPU and 200
    validation rows or more; else safetensors."""
    abstain_at_risk: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The model abstains below the confidence from which on at most this share of validation rows is wrong."""


class MonitoringConfig(Section):
    """When `ml-run monitor` says to train again."""

    min_accuracy: Threshold | None = None
    """Accuracy on labelled traffic below which to train again; default: deployment.min_accuracy."""
    new_labels: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1000
    """Labelled texts of traffic, unknown to the model, from which to train again."""


class TrackingConfig(Section):
    """Where runs are recorded."""

    uri: Text | None = None
    """MLflow tracking URI; default: MLFLOW_TRACKING_URI, else sqlite:///experiments/mlflow.db. A password: ${NAME}."""
    experiment: Text | None = None
    """MLflow experiment; default: the project folder's name."""


class RegistryConfig(Section):
    """How the model is registered."""

    name: Annotated[str, Field(pattern=REGISTERED_NAME_PATTERN, max_length=255)] | None = None
    """Registered model name; default: the project folder's name."""


class ReportsConfig(Section):
    """Where the copy of the report goes."""

    path: Text = ".claude/reports"
    """Folder of the reports and of `_registry.md`, relative to the project folder."""


class ComputeConfig(Section):
    """How the machine is used."""

    allocator: Literal["auto", "off"] = "auto"
    """auto: memory that a training step frees is kept for the next one (Linux with glibc); off: as the system does."""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of this machine that train one model together, each on its share of batch_size: on GPUs one each."""
    engine: Literal["local", "ray"] = "local"
    """Where work is done. local: on this machine; ray: on a Ray cluster, which needs the extra ml-run[ray]."""
    workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Workers of the cluster that do the work together; engine: ray."""
    cpus_per_worker: Annotated[int, Field(ge=1, le=256)] = 1
    """CPUs that a worker asks the cluster for."""
    gpus_per_worker: Annotated[float, Field(ge=0, le=64)] = 0.0
    """GPUs that a worker asks the cluster for; 0.5: two share one."""
    address: Annotated[str, Field(pattern=ADDRESS_PATTERN)] = "local"
    """Which cluster. local: one on this machine that ends with the command; auto: the one that this machine is part of;
    ray://host:port: any."""
    storage: Text | None = None
    """Folder or fsspec URL that every node of the cluster sees, where training keeps its checkpoints; left out: the
    project folder is seen by all."""

    @property
    def shares(self) -> int:
        """Parts that one training is divided among: processes of this machine, or workers of the cluster."""
        return self.workers if self.engine == "ray" else self.processes


class Config(Section):
    """The whole of `ml_config.yaml`."""

    data: DataConfig
    model: ModelConfig
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig = GateConfig()
    deployment: DeploymentConfig = DeploymentConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    tracking: TrackingConfig = TrackingConfig()
    registry: RegistryConfig = RegistryConfig()
    reports: ReportsConfig = ReportsConfig()
    compute: ComputeConfig = ComputeConfig()
