"""A check of the data, and what corrections changed, as the objects that `--json` prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_run.checking.check import DataCheck
    from ml_run.checking.correcting import Corrected
    from ml_run.results import Example

LONGEST = 9_500
"""Characters of the object: agents' tools cut output at 10,000."""
_MOST_EXAMPLES = 3
_LONGEST_TEXT = 200
_MOST_LABELS = 40
_MOST_CHANGES = 40
_RECORDS = ("leaks", "language", "language_check", "label_errors", "shortcuts", "tokens", "feasibility")
Shorten = Callable[[dict[str, Any]], None]


def told_check(check: DataCheck) -> dict[str, Any]:
    """The check as the object of `--json`, short enough for agents' tools; what was left out for that is named."""
    full: dict[str, Any] = _rounded(_object(check))
    for shorten in _SHORTER:
        if _fits(full):
            break
        shorten(full)
    return full


def _fits(full: dict[str, Any]) -> bool:
    return len(json.dumps(full, indent=2, ensure_ascii=False)) <= LONGEST


def _object(check: DataCheck) -> dict[str, Any]:
    prepared = check.prepared
    records = prepared.model_dump(mode="json", include=set(_RECORDS), exclude_none=True)
    findings = [finding.model_dump(mode="json", exclude={"examples"}) for finding in prepared.findings]
    for told_finding, finding in zip(findings, prepared.findings, strict=True):
        told_finding["examples"] = [_place(e) for e in finding.examples[:_MOST_EXAMPLES]]
    if records.get("tokens"):
        records["tokens"] = {k: v for k, v in records["tokens"].items() if k not in {"histogram", "edges"}}
    return {
        "readiness": prepared.readiness,
        "exit_code": int(check.exit_code),
        "rows": {name: split.rows for name, split in prepared.splits.items()},
        "left_out_rows": check.rejected_rows,
        "labels": list(prepared.labels),
        "checks": check.checks,
        "findings": findings,
        **{name: value for name, value in records.items() if value not in ([], {})},
        "synthetic": prepared.synthetic,
        "paths": {
            "folder": check.folder,
            "report": check.report,
            "record": check.record,
            "review_queue": check.queue,
            "rejected": check.rejected,
            "kept": list(check.kept),
        },
        "review_queue_rows": check.queue_rows,
        "apply": check.apply,
        "left_out": [],
    }


def _place(example: Example) -> str:
    return f"{example.file}:{example.line}" if example.line else example.file


def _rounded(value: Any) -> Any:
    """Numbers with four decimals: more would be noise, and takes the room of facts."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def _fewer_examples(keep: int) -> Shorten:
    def shorten(full: dict[str, Any]) -> None:
        gone = 0
        for finding in full["findings"]:
            gone += len(finding["examples"]) - len(finding["examples"][:keep])
            finding["examples"] = finding["examples"][:keep]
        if gone:
            full["examples_left_out"] = full.get("examples_left_out", 0) + gone

    return shorten


def _without(record: str, *inner: str) -> Shorten:
    def shorten(full: dict[str, Any]) -> None:
        if record not in full:
            return
        if not inner:
            del full[record]
        for name in inner:
            full[record].pop(name, None)
        full["left_out"] += [f"{record}.{name}" for name in inner] or [record]

    return shorten


def _cut_texts(full: dict[str, Any]) -> None:
    for finding in full["findings"]:
        for key in ("message", "remedy"):
            finding[key] = finding[key] if len(finding[key]) <= _LONGEST_TEXT else finding[key][:_LONGEST_TEXT] + " …"
    full["left_out"].append("ends of long messages")


def _notes_without_remedies(full: dict[str, Any]) -> None:
    for finding in full["findings"]:
        if finding["severity"] == "info":
            finding.pop("remedy")
    full["left_out"].append("remedies of notes")


def _fewer_findings(full: dict[str, Any]) -> None:
    full["labels_left_out"] = len(full["labels"]) - len(full["labels"][:_MOST_LABELS])
    full["labels"] = full["labels"][:_MOST_LABELS]
    full["findings_left_out"] = 0
    while not _fits(full):
        full["findings"].pop()  # the worst come first
        full["findings_left_out"] += 1


_SHORTER: tuple[Shorten, ...] = (
    *(_fewer_examples(keep) for keep in (2, 1, 0)),
    _without("language_check", "shares"),
    _without("tokens", "classes"),
    _without("tokens", "ablation"),
    _without("feasibility"),
    _cut_texts,
    _notes_without_remedies,
    _without("tokens"),
    _without("language_check"),
    _without("shortcuts"),
    _without("leaks"),
    _fewer_findings,
)
"""What to leave out, one after the other, until the object is short enough."""


def told_corrections(corrected: Corrected) -> dict[str, Any]:
    """What was corrected, the changes one by one as far as there is room."""
    changes = [{"file": c.file, "line": c.line, "old": c.old, "new": c.new} for c in corrected.changes[:_MOST_CHANGES]]
    return {
        "exit_code": 0,
        "changed": len(corrected.changes),
        "confirmed": corrected.confirmed,
        "without_answer": corrected.unanswered,
        "files": [
            {"original": original, "corrected": new, "changed": sum(c.file == original for c in corrected.changes)}
            for original, new in corrected.files.items()
        ],
        "changes": changes,
        "changes_left_out": len(corrected.changes) - len(changes),
        "config": corrected.config_lines,
        "next_step": corrected.next_step,
    }
