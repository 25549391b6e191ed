"""The parts of the report about the scores: criteria, models side by side, classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import Code, Content, Folded, Loose, Mark, Section, User, paragraph, rich, table
from ml_run.reporting.score_figures import MOST_CELLS, class_scores, confusion_matrix, model_comparison
from ml_run.results import Estimate
from ml_run.wording import interval, number_of, percent, score, sentence, signed_with_interval, with_interval

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.reporting.records import Facts
    from ml_run.results import Comparison, CriterionResult, Evaluation, ModelScores, Verdict

_NAMED_COLUMNS = 8
_SHORT_NAME = 14
_SMALLEST_P = 0.001
_SIGNS = {">=": "≥", ">": ">", "<=": "≤"}
_MODEL_WORDS = {
    "candidate": "the model of this run",
    "production": "the model in production",
    "linear": "linear classifier on character n-grams",
    "majority": "always says the most frequent class",
}


# --- criteria -------------------------------------------------------------------------------------------------------


def criteria(verdict: Verdict) -> Section:
    """Every line of the gate."""
    how = {
        "point": "The value itself decides (gate.decide_on: point); the interval shows how sure that is.",
        "lower_bound": "The 95 % interval decides, not the value (gate.decide_on: lower_bound).",
    }[verdict.decide_on]
    if not verdict.criteria:
        return Section("criteria", "The criteria", (paragraph("No criterion was set, so nothing can pass."),))
    columns: list[Loose] = ["Criterion", "Verdict", "Value", "95 % interval", "Asked", "n", "Rows to settle", "Why"]
    rows = [_criterion_row(criterion) for criterion in verdict.criteria]
    caption = "Each criterion; the verdict on the whole is the worst of them"
    return Section("criteria", "The criteria", (paragraph(how), table(caption, columns, rows, numeric="  nnnnn")))


def _criterion_row(criterion: CriterionResult) -> list[Loose]:
    settle = criterion.rows_to_settle
    return [
        Code(criterion.name),
        Mark(criterion.verdict),
        score(criterion.value),
        interval(Estimate(value=criterion.value, low=criterion.low, high=criterion.high)),
        f"{criterion.direction.replace('>=', '≥').replace('<=', '≤')} {criterion.threshold:g}",
        f"{criterion.n:,}",
        "–" if settle is None else f"{settle:,}",
        sentence(criterion.reason),
    ]


# --- scores ---------------------------------------------------------------------------------------------------------


def scores(facts: Facts, evaluation: Evaluation) -> Section:
    """All models side by side, then the candidate class by class."""
    said = paragraph(
        f"All models were scored on the same {number_of(evaluation.n, 'row')} of the test split, ",
        "which was used for nothing else. In brackets: 95 % intervals.",
    )
    return Section("scores", "Scores on the test split", (said, *score_evidence(facts.config, evaluation)))


def score_evidence(config: Config, evaluation: Evaluation) -> list[Content]:
    """The figures and tables on the scores, wherever the predictions came from."""
    content: list[Content] = [model_comparison(evaluation, thresholds(config)), _models_table(evaluation)]
    content += [_comparisons_table(evaluation)] if evaluation.comparisons else []
    content += _spread(evaluation)
    content += [class_scores(evaluation.candidate.classes, config.gate.min_class_f1), _classes_table(evaluation)]
    return content + _confusion(evaluation)


def _spread(evaluation: Evaluation) -> list[Content]:
    """What another seed would have changed, beside what another test set would."""
    spread = evaluation.spread
    if spread is None:
        return []
    rows: list[list[Loose]] = [
        [str(one.seed), score(one.best_val_macro_f1), score(one.macro_f1), score(one.accuracy)] for one in spread.seeds
    ]
    rows.append(
        [
            "mean ± standard deviation",
            "",
            f"{score(spread.macro_f1_mean)} ± {score(spread.macro_f1_sd)}",
            f"{score(spread.accuracy_mean)} ± {score(spread.accuracy_sd)}",
        ]
    )
    said = (
        "Two different things: the interval of the candidate says how far another test set of this size could move its "
        "score; the spread below says how far another seed of the training would. The candidate is the median by "
        "validation macro-F1, whatever it scores here."
    )
    columns: list[Loose] = ["Seed", "Validation macro-F1", "Test macro-F1", "Test accuracy"]
    return [paragraph(said), table("The spread of training: one model a seed", columns, rows, numeric=" nnn")]


def thresholds(config: Config) -> dict[str, float | None]:
    """The thresholds that can be drawn beside the scores of models, by metric."""
    return {"macro_f1": config.deployment.min_f1, "accuracy": config.deployment.min_accuracy}


def _models_table(evaluation: Evaluation) -> Content:
    others = [evaluation.candidate_without_leaks, evaluation.production, *evaluation.baselines]
    models = [evaluation.candidate, *(model for model in others if model)]
    columns: list[Loose] = ["Model", "Macro-F1", "Accuracy", "Weighted F1", "MCC", "Log loss", "Brier", "ECE", "n"]
    rows: list[list[Loose]] = [
        [
            _model_name(model, evaluation),
            with_interval(model.macro_f1),
            with_interval(model.accuracy),
            with_interval(model.weighted_f1),
            score(model.mcc.value),
            score(model.log_loss),
            score(model.brier),
            score(model.ece),
            f"{model.n:,}",
        ]
        for model in models
    ]
    caption = "Candidate, production and baselines (log loss, Brier score, ECE: lower is better)"
    return table(caption, columns, rows, numeric=" nnnnnnnn")


def _model_name(model: ModelScores, evaluation: Evaluation) -> str:
    if model is evaluation.candidate_without_leaks:
        return "candidate, on the test rows without a copy in train"
    return f"{model.name}: {_MODEL_WORDS[model.name]}" if model.name in _MODEL_WORDS else model.name


def _comparisons_table(evaluation: Evaluation) -> Content:
    columns: list[Loose] = ["Against", "Macro-F1 difference", "Accuracy difference", "p", "n", "Rows left out", "Note"]
    rows = [_comparison_row(comparison) for comparison in evaluation.comparisons]
    level = f"{100 * evaluation.comparisons[0].level:.4g} %"
    caption = (
        f"Candidate minus the other model, on the same rows, with {level} intervals: one that holds 0 can be chance. "
        "p: McNemar's test of the accuracies"
    )
    return table(caption, columns, rows, numeric=" nnnnn")


def _comparison_row(comparison: Comparison) -> list[Loose]:
    return [
        comparison.against,
        signed_with_interval(comparison.macro_f1_difference),
        signed_with_interval(comparison.accuracy_difference),
        _p_value(comparison.p_value),
        f"{comparison.n:,}",
        f"{comparison.excluded:,}",
        " ".join(map(sentence, filter(None, (comparison.note, *comparison.warnings)))) or "–",
    ]


def _p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < _SMALLEST_P else f"{value:.3f}"


def _classes_table(evaluation: Evaluation) -> Content:
    columns: list[Loose] = ["Class", "Test rows", "Precision", "Recall", "F1"]
    rows: list[list[Loose]] = [
        [User(c.label), f"{c.support:,}", with_interval(c.precision), with_interval(c.recall), with_interval(c.f1)]
        for c in evaluation.candidate.classes
    ]
    return Folded(table("The candidate, class by class: precision, recall and F1", columns, rows, numeric=" nnnn"))


def _confusion(evaluation: Evaluation) -> list[Content]:
    labels, counts = evaluation.labels, evaluation.candidate.confusion
    if len(labels) > MOST_CELLS:
        where = "the full matrix is in evaluation/metrics.json"
        return [paragraph(f"With {len(labels)} classes a confusion matrix is too large to read; {where}.")]
    short = len(labels) <= _NAMED_COLUMNS and max(map(len, labels)) <= _SHORT_NAME
    heads: list[Loose] = [User(label) if short else str(number) for number, label in enumerate(labels, 1)]
    rows: list[list[Loose]] = [
        [
            User(label) if short else rich(f"{number}: ", User(label)),
            *(f"{rows:,}" for rows in line),
            percent(line[number - 1] / sum(line)) if sum(line) else "–",
        ]
        for number, (label, line) in enumerate(zip(labels, counts, strict=True), 1)
    ]
    columns: list[Loose] = ["True class", *heads, "Recall"]
    caption = "Confusion matrix: rows are the true class, columns what the candidate said"
    numbers = table(caption, columns, rows, numeric=" " + "n" * (len(labels) + 1))
    return [confusion_matrix(labels, counts), Folded(numbers)]
