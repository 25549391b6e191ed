import pytest

from ml_run.cluster.crew import Gone
from ml_run.errors import TrainingError
from ray_harness import needs_ray

pytestmark = [needs_ray, pytest.mark.slow]
CLOSED = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer")


def dead(message="The actor died", *, preempted=False):
    from ray.exceptions import RayActorError
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    return WorkerHealthCheckFailedError("no answer", RayActorError(error_msg=message, preempted=preempted))


def became_of(*failures):
    from ray.train import WorkerGroupError

    from ml_run.cluster.on_ray import _gone

    return _gone(WorkerGroupError("all of it", dict(enumerate(failures))))


def test_an_error_of_ours_is_told_before_what_it_did_to_others():
    """A diverged training is no lost machine, whatever the other workers saw of it."""
    error = TrainingError("it diverged", kind="non_finite", curable=True)
    assert became_of(CLOSED, error) is error


def test_losses_are_told_apart():
    """Dead, taken away with notice, killed for memory, or only cut off from one another: each is told as what it is."""
    assert became_of(dead(), CLOSED).kind == "lost"
    assert became_of(CLOSED, dead(preempted=True)).kind == "preempted"
    assert became_of(dead("… set RAY_memory_usage_threshold …")).kind == "memory"
    assert became_of(CLOSED, CLOSED).kind == "lost"


def test_a_bug_is_not_tried_again():
    """An error that no machine is to blame for ends the training with what was said."""
    assert became_of(CLOSED, KeyError("labels")) == Gone("failed", "Training failed due to worker errors:\nall of it")


def test_a_group_that_could_not_begin_may_be_tried_again():
    """Where Ray itself failed to start the workers, no training has failed."""
    from ray.train import ControllerError

    from ml_run.cluster.on_ray import _gone

    assert _gone(ControllerError(RuntimeError("a worker died as it began"))).kind == "lost"
