"""What came of judging predictions, as it is printed and kept."""

from ml_run.results import Comparison, RunResult

_OF_RUNS = {
    "id",
    "name",
    "status",
    "readiness",
    "findings",
    "spread",
    "deployment",
    "registration",
    "stages",
    "seconds",
}


class OutsideResult(RunResult):
    """A result that knows predictions only."""

    predictions: str
    """The file that was judged."""
    against: str | None = None
    """The file that it was compared with, as production is."""
    labels: int
    """How many."""
    matched: str = ""
    """By what the rows were matched with the test file; empty where the predictions hold their true labels."""
    notes: tuple[str, ...] = ()
    """What a person should know of the predictions."""
    comparisons: tuple[Comparison, ...] = ()

    def told(self) -> dict[str, object]:
        """The object that `--json` prints."""
        return self.model_dump(mode="json", exclude=_OF_RUNS | {"error"})
