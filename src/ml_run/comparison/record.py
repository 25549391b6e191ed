"""What comparing two runs found, as it is printed."""

from ml_run.results import Comparison, Estimate, Record, VerdictWord


class Side(Record):
    """One of the two runs."""

    id: str
    name: str
    verdict: VerdictWord | None
    n_test: int
    """Rows of its own test split."""
    macro_f1: Estimate
    """On its own test split."""
    accuracy: Estimate
    macro_f1_shared: Estimate
    """On the test rows that both runs have; undefined without such rows."""
    accuracy_shared: Estimate


class KeyChange(Record):
    """One thing that is not the same in both runs."""

    key: str
    a: str
    """As it is in A; empty where A has no such thing."""
    b: str


class SplitChange(Record):
    """How the rows of one split differ; rows are the same when their normalised texts are."""

    split: str
    rows_a: int
    rows_b: int
    added: int
    """Rows of B that A has not."""
    removed: int
    """Rows of A that B has not."""
    relabelled: int
    """Rows of both, under another label in B."""


class RunComparison(Record):
    """What changed from A to B, and what that did to the scores."""

    a: Side
    b: Side
    data: tuple[SplitChange, ...]
    """All splits, changed or not."""
    config: tuple[KeyChange, ...]
    config_omitted: int = 0
    """Changed keys left out to keep the object short."""
    model: tuple[KeyChange, ...]
    """Base model and its revision."""
    code: tuple[KeyChange, ...]
    """Git commit, and versions of ml-run and of libraries."""
    shared: int
    """Test rows that both runs have: what the scores are compared on."""
    relabelled: int
    """Of these, rows under another label in B; B's label counts for both."""
    difference: Comparison
    """B minus A, on the shared rows."""
    conclusion: str
    """More than noise or not, in one sentence."""
