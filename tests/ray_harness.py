"""Several nodes of a Ray cluster on this machine, on loopback only, none of which outlives the test."""

import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness import QUIET
from ml_run.cluster.crew import loopback

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra ml-run[ray] is not installed")
_SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # one that no other machine can reach; read as Ray is imported
    "RAY_prestart_worker_first_driver": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "OMP_NUM_THREADS": "1",
}
_PATIENCE = 60.0  # seconds; an agent looks for its node now and then


@contextmanager
def ray_nodes(count, monkeypatch, *, cpus=1):
    """`count` nodes of `cpus` logical CPUs, the first of which is the head; `address: auto` finds them.

    Yields:
        The cluster, and the nodes that may be killed: all but the head.
    """
    for name, value in {**_SETTINGS, **loopback(), **QUIET}.items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    common = {"node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 100 * 2**20}
    cluster, mine = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, **common}), set()
    try:
        nodes = [cluster.add_node(num_cpus=cpus, **common) for _ in range(count - 1)]
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster, nodes
    finally:
        for node in cluster.list_all_nodes():
            mine |= {_raylet(node), *children(_raylet(node))}
        ray.shutdown()
        cluster.shutdown()
    end = time.monotonic() + _PATIENCE
    while [number for number in mine if _parent(number) is not None]:
        assert time.monotonic() < end, "processes of Ray are left"
        time.sleep(0.1)


def workers_of(node, name):
    """Process ids of the workers of `node` that do what Ray calls `name`."""
    return [number for number in children(_raylet(node)) if name in line_of(number)]


def children(parent):
    """Process ids of the processes that `parent` has started."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [number for number in found if _parent(number) == parent]


def _raylet(node):
    return node.all_processes["raylet"][0].process.pid


def line_of(number):
    """Command line of a process; empty for one that has ended."""
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _parent(number):
    """Of a process that lives; None of one that has ended."""
    try:
        state, parent = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)
