"""More than one machine, through Ray: the only room that knows where work is done. Needs the extra `ml-run[ray]`."""

from ml_run.cluster.crew import Crew, Gone, Line, Reason, Word
from ml_run.cluster.engines import Engine, elsewhere, engine, using
from ml_run.cluster.on_ray import (
    BrokenOffError,
    Description,
    apart,
    connect,
    describe,
    refuse_missing,
    run_tasks,
    together,
)

__all__ = [
    "BrokenOffError",
    "Crew",
    "Description",
    "Engine",
    "Gone",
    "Line",
    "Reason",
    "Word",
    "apart",
    "connect",
    "describe",
    "elsewhere",
    "engine",
    "refuse_missing",
    "run_tasks",
    "together",
    "using",
]
