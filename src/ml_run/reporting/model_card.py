"""The model card: README.md of a model folder, in the form the Hugging Face hub reads.

Sections follow Mitchell et al. 2019, "Model Cards for Model Reporting": details, intended use, factors, metrics, data,
quantitative analyses, ethical considerations, caveats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ml_run.characters import visible
from ml_run.config.names import SCRATCH_PREFIX
from ml_run.modeling import windows
from ml_run.reporting import markdown
from ml_run.reporting.attempts import attempt_rows, seed_rows
from ml_run.reporting.document import Code, Content, Loose, Section, Strong, User, bullets, paragraph, rich, table
from ml_run.results import SPLITS
from ml_run.wording import number_of, score, sentence

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.results import Attempt, LinearTuning, PreparedData

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_COMMIT_LENGTH = 40
_WHERE_SCORES_ARE = (
    "This card was written when the model was trained, before it was tested. Its scores on the test split, with their "
    "intervals, and the verdict of the gate are in the report of the run that trained it (report.html and report.md)."
)
_SYNTHETIC = "SYNTHETIC: trained on generated text, to show how ml-run works. Of no use on real text."


@dataclass(frozen=True)
class ModelFacts:
    """What the card needs to know of the model; the train stage knows it before the model folder is sealed."""

    base: str
    base_revision: str | None
    labels: tuple[str, ...]
    max_length: int | None
    parameters: int
    seed: int
    best_epoch: float | None
    best_val_macro_f1: float | None
    linear: LinearTuning | None = None
    """For a linear model: how it was tuned."""
    vocabulary: int | None = None
    whole_vocabulary: int | None = None
    """Pieces of the base model before its vocabulary was trimmed to the corpus; None where it was not."""
    attempts: tuple[Attempt, ...] = ()


def render_model_card(config: Config, data: PreparedData, model: ModelFacts) -> str:
    """The text of the model card, written as the model folder is sealed: before any test.

    Scores and verdict are in the report of the run, for which a sealed folder cannot be opened again.

    Args:
        config: the run's config.
        data: what the model was trained on.
        model: the model.
    """
    sections = (
        _details(config, data, model),
        _use(data),
        _factors(data),
        _metrics(config, model),
        _data(data),
        _analyses(),
        _ethics(),
        _caveats(data, model),
    )
    parts = [_front_matter(data, model), f"# {_title(data)}"]
    parts += [f"> **{markdown.escape(_SYNTHETIC)}**"] if data.synthetic else []
    for section in sections:
        parts += [f"## {section.title}", *(markdown.content(piece) for piece in section.content)]
    return "\n\n".join(parts) + "\n"


def _front_matter(data: PreparedData, model: ModelFacts) -> str:
    import yaml

    fields: dict[str, Any] = {}
    if data.language:
        fields["language"] = [data.language.code]
    if _is_hub_id(model):
        fields["base_model"] = model.base
    fields |= {
        "library_name": "ml-run" if model.linear else "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["text-classification", "ml-run", *(["synthetic"] if data.synthetic else [])],
        "metrics": ["f1", "accuracy"],
    }
    return f"---\n{yaml.safe_dump(fields, allow_unicode=True, sort_keys=False)}---"


def _is_hub_id(model: ModelFacts) -> bool:
    # A local folder is named by the hash of its weights, a hub model by a git commit or nothing.
    by_commit = model.base_revision is None or len(model.base_revision) == _COMMIT_LENGTH
    return model.linear is None and by_commit and _HUB_ID.fullmatch(model.base) is not None


def _title(data: PreparedData) -> str:
    language = f"{markdown.escape(data.language.name)} text" if data.language else "Text"
    return f"{language} classifier: {', '.join(markdown.escape(label) for label in data.labels[:8])}" + (
        ", …" if len(data.labels) > 8 else ""  # noqa: PLR2004 -- a title of one line
    )


def _base(model: ModelFacts) -> Loose:
    if model.linear:
        return "none: a linear model on character n-grams"
    if model.base.startswith(SCRATCH_PREFIX):
        return "none: trained from scratch"
    # Of a local folder only the name: its place is nobody's business.
    name = model.base if _is_hub_id(model) else PurePath(model.base).name
    return rich(User(name), f", revision {model.base_revision}" if model.base_revision else "")


def _details(config: Config, data: PreparedData, model: ModelFacts) -> Section:
    labels = [piece for number, label in enumerate(data.labels) for piece in (", " if number else "", User(label))]
    rows: list[list[Loose]] = [
        ["Task", "single-label text classification"],
        ["Labels", rich(*labels)],
        ["Base model", _base(model)],
        ["Parameters", f"{model.parameters:,}"],
        *(_linear_rows(model, model.linear) if model.linear else _transformer_rows(config, model)),
        ["Data fingerprint", Code(data.fingerprint)],
    ]
    if model.vocabulary is not None:
        trimmed = f", trimmed from {model.whole_vocabulary:,}" if model.whole_vocabulary else ""
        rows.append(["Vocabulary", f"{model.vocabulary:,} pieces{trimmed}"])
    return Section("details", "Model details", (table("The model", ["", ""], rows),))


def _transformer_rows(config: Config, model: ModelFacts) -> list[list[Loose]]:
    return [
        *_reading_rows(config.model.long_text, model.max_length),
        ["Trained with", f"ml-run, seed {model.seed}, class weights {config.training.class_weights}"],
        *seed_rows(config.training),
        *attempt_rows(model.attempts, config.training),
        ["Best epoch", _epoch(config, model)],
    ]


def _epoch(config: Config, model: ModelFacts) -> str:
    if config.training.folds:
        return f"{model.best_epoch:g}, found by {config.training.folds} folds; trained on all rows of train and val"
    return f"{model.best_epoch:g}, validation macro-F1 {score(model.best_val_macro_f1)}"


def _reading_rows(long_text: windows.LongText, longest: int | None) -> list[list[Loose]]:
    assert longest is not None, "a transformer reads a number of tokens"
    rows: list[list[Loose]] = [["Tokens read of a text", windows.told(long_text, longest)]]
    if long_text != "truncate":
        plainly = f"transformers alone reads the first {longest:,} tokens of a text: not what the scores are for"
        rows.append(["Loads with", rich(Code("ml_run.modeling.scoring.load_scorer(folder)"), f"; {plainly}")])
    return rows


def _linear_rows(model: ModelFacts, tuning: LinearTuning) -> list[list[Loose]]:
    chosen = tuning.chosen
    words = "all" if chosen.words is None else f"the first {chosen.words}; the rest is not read"
    weights = "balanced" if chosen.balanced else "none"
    tried = f"one of {number_of(len(tuning.trials), 'setting')}, validation macro-F1 {score(chosen.val_macro_f1)}"
    return [
        ["Words read of a text", words],
        ["Trained with", f"ml-run, seed {model.seed}, class weights {weights}, C {chosen.c:g}: {tried}"],
        ["Trained on", number_of(tuning.training_rows, "row")],
        ["Loads with", rich(Code("ml_run.modeling.scoring.load_scorer(folder)"), ", nothing is unpickled")],
    ]


def _use(data: PreparedData) -> Section:
    kind = f"{data.language.name} texts" if data.language else "texts"
    if data.synthetic:
        intended = "To see what ml-run does. Not for any real text."
    else:
        intended = f"To give {kind} like those of the training data one of the labels above, for a person to build on."
    outside: list[Loose] = [
        "Decisions about single persons: their origin, clan, status, or what they may do.",
        "Texts in other languages, of other kinds or times than the training data: it will give a label all the same.",
        "Texts that belong to none of the labels: it has no answer for 'none of these'.",
    ]
    return Section(
        "use",
        "Intended and out-of-scope use",
        (paragraph(Strong("Intended: "), intended), paragraph(Strong("Out of scope:")), bullets(outside)),
    )


def _factors(data: PreparedData) -> Section:
    train = data.splits.get("train")
    factors: list[Loose] = [
        "What the labels mean: they are those of the training data, and ml-run knows no definition of them.",
        "Source, topic, spelling and length of a text, each of which can stand in for a label without being it.",
    ]
    if train:
        factors.append(
            f"Length: half of the training texts have at most {train.words.median:,.0f} words, 95 of 100 at most "
            f"{train.words.p95:,.0f}."
        )
    factors += [
        rich(Strong(f"{a.topic}: "), sentence(a.text), f" (Source: {a.source}; {a.dated}.)") for a in data.advice
    ]
    return Section("factors", "Factors", (bullets(factors),))


def _metrics(config: Config, model: ModelFacts) -> Section:
    said = (
        "Macro-F1 comes first: in it a rare class counts as much as a common one. Then accuracy, F1 of each class and "
        "calibration."
    )
    val = score(model.best_val_macro_f1)
    what = "settings" if model.linear else "epoch"
    chosen = f"Macro-F1 on the validation split, which chose the {what} and is therefore no test: {val}."
    if config.training.folds and not model.linear:
        chosen = f"Mean macro-F1 over {config.training.folds} folds, which chose the epoch and are no test: {val}."
    return Section("metrics", "Metrics", (paragraph(said), paragraph(chosen), paragraph(_WHERE_SCORES_ARE)))


def _data(data: PreparedData) -> Section:
    names = [name for name in SPLITS if name in data.splits]
    rows: list[list[Loose]] = [
        [User(label), *(f"{data.splits[name].classes.get(label, 0):,}" for name in names)] for label in data.labels
    ]
    rows.append([Strong("all"), *(f"{data.splits[name].rows:,}" for name in names)])
    said = f"Readiness by ml-run's checks: {data.readiness}."
    found = [
        rich(f"{f.severity}: ", Code(f.rule), ", ", sentence(f.message)) for f in data.findings if f.severity != "info"
    ]
    content: list[Content] = [table("Rows of each class", ["Class", *names], rows, numeric=" nnn"), paragraph(said)]
    content += [bullets([*found])] if found else []
    return Section("data", "Training and evaluation data", tuple(content))


def _analyses() -> Section:
    said = (
        "Scores of each class, the confusion matrix and the comparison with baselines and production: see there, too."
    )
    return Section("analyses", "Quantitative analyses", (paragraph(said),))


def _ethics() -> Section:
    said: list[Loose] = [
        "How a person writes can tell where they come from. A label for a text must not become a label for its writer.",
        "Mistakes are not spread evenly: the report has the F1 of each class, and which class is taken for which.",
        "The texts were written by people; whether they may be used so is for those who collected them to say.",
    ]
    return Section("ethics", "Ethical considerations", (bullets(said),))


def _caveats(data: PreparedData, model: ModelFacts) -> Section:
    said: list[Loose] = [
        f"One training run, seed {model.seed}: another seed can score differently.",
        "The scores cannot be better than the labels they are measured against.",
    ]
    if data.synthetic:
        said.insert(0, Strong(visible(_SYNTHETIC)))
    return Section("caveats", "Caveats and recommendations", (bullets(said),))
