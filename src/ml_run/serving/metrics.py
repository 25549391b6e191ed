"""What `/metrics` tells, in the text format of Prometheus (version 0.0.4): a few numbers need no library.

Counters are changed by several threads, histograms by the event loop alone.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Counter:
    """A number that only grows, for each combination of the values of its labels."""

    def __init__(self, name: str, told: str, *labels: str) -> None:
        self._name, self._told, self._labels = name, told, labels
        self._values: dict[tuple[str, ...], int] = {} if labels else {(): 0}
        self._lock = threading.Lock()

    def add(self, *values: str, by: int = 1) -> None:
        """Add to the number that belongs to the `values` of the labels."""
        with self._lock:
            self._values[values] = self._values.get(values, 0) + by

    def lines(self) -> Iterator[str]:
        """Its part of the page."""
        yield from _head(self._name, self._told, "counter")
        for values, number in sorted(self._values.items()):
            yield f"{self._name}{_labelled(dict(zip(self._labels, values, strict=True)))} {number}"


class Histogram:
    """How many observations were at most each of its bounds."""

    def __init__(self, name: str, told: str, bounds: tuple[float, ...]) -> None:
        self._name, self._told, self._bounds = name, told, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterator[str]:
        """Its part of the page."""
        yield from _head(self._name, self._told, "histogram")
        for bound, count in zip((*self._bounds, "+Inf"), accumulate(self._counts), strict=True):
            yield f"{self._name}_bucket{_labelled({'le': str(bound)})} {count}"
        yield f"{self._name}_sum {self._sum:.6f}"
        yield f"{self._name}_count {sum(self._counts)}"


class Metrics:
    """Everything that is counted."""

    def __init__(self) -> None:
        self.requests = Counter("ml_run_requests_total", "Requests answered.", "path", "status")
        self.rejected = Counter("ml_run_rejected_total", "Requests not answered with a prediction.", "reason")
        self.predictions = Counter("ml_run_predictions_total", "Texts by predicted label.", "version", "label")
        self.truncated = Counter("ml_run_truncated_total", "Texts longer than what the model reads.")
        self.switches = Counter("ml_run_model_switches_total", "Changes to another model while serving.")
        self.switch_failures = Counter("ml_run_model_switch_failures_total", "Models that could not take over.")
        self.logged = Counter("ml_run_traffic_log_lines_total", "Predictions written to the traffic log.")
        self.dropped = Counter("ml_run_traffic_log_dropped_total", "Predictions the traffic log could not take.")
        self.seconds = Histogram("ml_run_predict_seconds", "Time to answer a request to /predict.", _SECONDS)
        self.batch_texts = Histogram("ml_run_batch_texts", "Texts scored together.", _TEXTS)
        self.confidence = Histogram("ml_run_confidence", "Probability of the predicted label.", _SHARES)

    def render(self, gauges: Mapping[str, tuple[str, float]], version: str | None) -> str:
        """The page.

        Args:
            gauges: numbers as they are now, by name: what they mean, and their value.
            version: of the model that serves.
        """
        lines = [line for one in vars(self).values() for line in one.lines()]
        for name, (told, value) in gauges.items():
            lines += [*_head(name, told, "gauge"), f"{name} {value:g}"]
        if version is not None:
            name = "ml_run_model_info"
            lines += [*_head(name, "The model that serves.", "gauge"), f"{name}{_labelled({'version': version})} 1"]
        return "\n".join(lines) + "\n"


def _head(name: str, told: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {told}", f"# TYPE {name} {kind}"


def _labelled(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""
