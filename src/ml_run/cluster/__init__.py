"""More than one machine, through Ray: the only room that knows where work is done. Needs the extra `ml-run[ray]`."""

from ml_run.cluster.engines import Engine, engine
from ml_run.cluster.on_ray import Description, connect, describe, refuse_missing, run_tasks

__all__ = ["Description", "Engine", "connect", "describe", "engine", "refuse_missing", "run_tasks"]
