"""What looks like personal data. It is counted by kind and never shown."""

import re
from collections import Counter

from ml_run.quality.masking import KINDS, excerpt, kinds_in
from ml_run.quality.rows import Splits, every_row, per_file, total
from ml_run.quality.rules import Checks, Sighting, by_share, finding
from ml_run.results import Finding
from ml_run.wording import listed, number_of

_MASKED = re.compile("‹")


def personal_findings(splits: Splits, checks: Checks) -> list[Finding]:
    """One finding with the number of each kind; its examples, like those of every finding, are masked."""
    if not checks.wants("personal_data"):
        return []
    kinds: Counter[str] = Counter()
    rows = []
    for row in every_row(splits):
        if found := kinds_in(row.text):
            kinds.update(found)
            rows.append(row)
    if not rows:
        return []
    everything = total(splits)
    counted = listed([number_of(kinds[kind], kind) for kind in KINDS if kinds[kind]])
    message = f"{number_of(len(rows), 'text')} may hold personal data ({per_file(rows)}): {counted}"
    severity = by_share(len(rows) / everything, warning=checks.limit("personal_data.warning_above"))
    seen = (Sighting(row.file, row.line, excerpt(row.text, _MASKED), row.label) for row in rows)
    return [finding("personal_data", severity, message, seen, count=len(rows), total=everything)]
