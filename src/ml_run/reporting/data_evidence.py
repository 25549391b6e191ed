"""What single checks measured on the whole of the data: each part shows one record, and nothing where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.data_figures import (
    MOST_CLASSES,
    copied,
    furthest_first,
    leak_matrix,
    probe_name,
    shortcut_scores,
    token_lengths,
)
from ml_run.reporting.document import Code, Content, Folded, Loose, Mark, Strong, User, paragraph, table
from ml_run.wording import number_of, percent, score, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reporting.records import Place
    from ml_run.results import (
        Feasibility,
        PreparedData,
        TokenCheck,
        TokenStats,
    )

_NONE = "–"


# --- lengths --------------------------------------------------------------------------------------------------------


def lengths(place: Place, prepared: PreparedData) -> list[Content]:
    """The lengths in tokens against `model.max_length`, and what to do about it."""
    tokens = prepared.tokens
    if tokens is None:
        return []
    content: list[Content] = [
        paragraph(Strong("Advice: "), sentence(tokens.advice)),
        paragraph(
            "A tokenizer breaks a text into tokens: words and pieces of words. That of ",
            User(place.shown(tokens.tokenizer)),
            f" was asked; of each text the model reads the first {tokens.max_length:,} tokens (",
            Code("model.max_length"),
            ").",
        ),
        *([token_lengths(tokens)] if sum(tokens.histogram) else []),
        _token_table("The splits as the model will see them", "Split", [(Strong(s.name), s) for s in tokens.splits]),
    ]
    content += [_token_classes(tokens)] if tokens.classes else []
    return [*content, *_ablation(tokens)]


def _token_classes(tokens: TokenCheck) -> Content:
    most_cut = sorted(tokens.classes, key=lambda stats: -stats.cut)[:MOST_CLASSES]
    of = f"the {MOST_CLASSES} of {len(tokens.classes)} " if len(tokens.classes) > MOST_CLASSES else ""
    caption = f"The classes of train, {of}with the largest share of texts cut first"
    return _token_table(caption, "Class", [(User(stats.name), stats) for stats in most_cut])


def _token_table(caption: str, first: str, named: Sequence[tuple[Loose, TokenStats]]) -> Content:
    columns: list[Loose] = [
        first, "Rows", "Texts cut", "Tokens lost", "Tokens: median", "95 of 100 below", "Longest", "Tokens a word",
        "Unknown tokens",
    ]  # fmt: skip
    rows: list[list[Loose]] = [
        [
            name,
            f"{stats.rows:,}",
            percent(stats.cut),
            percent(stats.lost),
            f"{stats.tokens.median:,.0f}",
            f"{stats.tokens.p95:,.0f}",
            f"{stats.tokens.maximum:,.0f}",
            f"{stats.tokens_per_word:.2f}",
            percent(stats.unknown),
        ]
        for name, stats in named
    ]
    return table(caption, columns, rows, numeric=" nnnnnnnn")


def _ablation(tokens: TokenCheck) -> list[Content]:
    columns: list[Loose] = ["Words read of each text", "Macro-F1 on val", "Standard error"]
    rows: list[list[Loose]] = [
        [
            "all" if point.words is None else f"the first {point.words:,}",
            score(point.macro_f1),
            f"± {score(point.standard_error)}",
        ]
        for point in tokens.ablation
    ]
    caption = "What a linear model loses by reading only the beginning of each text"
    return [table(caption, columns, rows, numeric=" nn")] if rows else []


# --- copies ---------------------------------------------------------------------------------------------------------


def copies(prepared: PreparedData) -> list[Content]:
    """Exact and near copies inside each split and between splits."""
    if not prepared.leaks:
        return []
    between_first = sorted(prepared.leaks, key=lambda leak: (leak.split == leak.into, -copied(leak)))
    rows: list[list[Loose]] = [
        [
            Strong(leak.into),
            f"{leak.split} itself" if leak.split == leak.into else leak.split,
            f"{leak.exact:,}",
            f"{leak.near:,}",
            percent(copied(leak)),
            f"{leak.rows:,}",
        ]
        for leak in between_first
    ]
    columns: list[Loose] = ["Rows of", "with a copy in", "Exact", "Near", "Share", "Rows in all"]
    said = paragraph(
        "Counted before any row was left out. A row of test with a copy in train rewards a model for remembering, "
        "not for understanding; pairs of splits that are not named share no copies."
    )
    numbers = table("Copies, between splits first", columns, rows, numeric="  nnnn")
    return [said, leak_matrix(prepared), Folded(numbers)]


# --- the gate -------------------------------------------------------------------------------------------------------


def decidable(prepared: PreparedData) -> list[Content]:
    """Which criteria of the gate these test rows can decide; those that they cannot come first."""
    every = sorted(prepared.feasibility, key=lambda asked: asked.decidable)
    if not every:
        return []
    open_ones = sum(not asked.decidable for asked in every)
    said = (
        f"{open_ones:,} of {_criteria(len(every))} cannot be decided by these test rows, however good "
        "the model is; that is known before any training."
        if open_ones
        else f"These test rows are enough to decide {_criteria(len(every))}."
    )
    columns: list[Loose] = [
        "Criterion", "Decidable?", "Class", "Test rows", "Asked", "Will pass from", "Rows missing", "In words",
    ]  # fmt: skip
    rows = [_feasibility_row(asked) for asked in every[:MOST_CLASSES]]
    content: list[Content] = [
        paragraph(said),
        table("The criteria, doubtful ones first", columns, rows, numeric="   nnnn"),
    ]
    more = every[MOST_CLASSES:]
    if more:
        doubtful = sum(not asked.decidable for asked in more)
        said = f"{doubtful:,} of them cannot be decided either" if doubtful else "they can be decided"
        content.append(paragraph(f"And {_criteria(len(more))} more; {said}."))
    return content


def _criteria(number: int) -> str:
    return f"{number:,} {'criterion' if number == 1 else 'criteria'}"


def _feasibility_row(asked: Feasibility) -> list[Loose]:
    # Where a criterion can be decided, the rows needed are for something finer, which the message tells.
    enough = None if asked.decidable else asked.n_needed
    missing = _NONE if enough is None else f"{enough - asked.n:,} of {enough:,}"
    return [
        Code(asked.criterion.removesuffix(f"[{asked.label}]")),
        Mark("yes" if asked.decidable else "no"),
        User(asked.label) if asked.label is not None else "all",
        f"{asked.n:,}",
        f"{asked.threshold:g}",
        _NONE if asked.needed is None else score(asked.needed),
        missing,
        sentence(asked.message),
    ]


# --- shortcuts ------------------------------------------------------------------------------------------------------


def shortcuts(prepared: PreparedData) -> list[Content]:
    """How well the label can be told from things that are not what the text says."""
    probes = furthest_first(prepared.shortcuts)
    if not probes:
        return []
    rows: list[list[Loose]] = [
        [
            User(probe_name(probe)),
            score(probe.macro_f1),
            score(probe.guess),
            score(probe.text),
            f"{probe.rows:,}",
        ]
        for probe in probes[:MOST_CLASSES]
    ]
    said = paragraph(
        "Each line is a small model that sees one thing about a text and never what it says. Near the guess is as it "
        "should be; far above it, a model can learn that thing in place of the text and fail where it differs."
    )
    columns: list[Loose] = ["Seen", "Macro-F1 from it alone", "By guessing", "From the text", "Rows"]
    left_out = len(probes) - MOST_CLASSES
    more = f"; {number_of(left_out, 'field')} nearer to the guess left out" if left_out > 0 else ""
    caption = f"What tells the label, furthest above the guess first{more}"
    return [said, shortcut_scores(probes), Folded(table(caption, columns, rows, numeric=" nnnn"))]
