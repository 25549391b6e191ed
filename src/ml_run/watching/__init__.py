"""`ml-run monitor`: new traffic against what was handed over when the model was deployed."""

from ml_run.watching.record import MonitorResult
from ml_run.watching.screen import monitor_screen
from ml_run.watching.window import monitor

__all__ = ["MonitorResult", "monitor", "monitor_screen"]
