"""The deploy stage: export, verify in a fresh process, register, promote; or wait, or stop."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import deployments, files, offline, tracking
from ml_run.deployments import Change
from ml_run.errors import ProductionChangedError, StoreError, UsageError
from ml_run.events import emit, one_line, utc_now
from ml_run.experiment import read_record, write_record
from ml_run.monitoring import build_handoff
from ml_run.promotion import production, promote, recover, refuse_if_changed, rollback
from ml_run.results import Deployment, Evaluation, PreparedData, TrainedModel, Verdict, Verification

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.experiment import Experiment

__all__ = ["deploy_experiment", "deploy_model", "production", "recover", "rollback"]

TOLERANCE = 1e-4
"""Largest difference of a logit allowed, as a share of the largest logit (at least 1): float32 sums in another order
differ by 1e-6, another precision by 1e-2."""
_VERIFY_SECONDS = 600
_PROBE_SECONDS = 20
_WITHOUT_NETWORK = ("unshare", "--map-root-user", "--net", "--")


def deploy_model(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    model: TrainedModel,
    evaluation: Evaluation,
    verdict: Verdict,
) -> Deployment:
    """Do with the candidate what its verdict and the config say; writes `handoff.json` unless it stops.

    Only a PASS is ever registered or deployed. A store that fails gives the action `failed`: production is unchanged,
    and `ml-run --resume` does this stage again.

    Raises:
        UsageError: the evaluation is not of this model.
    """
    stopped = _why_stop(config, evaluation, verdict)
    if stopped is not None:
        return stopped
    _refuse_unjudged(experiment, model, evaluation)
    try:
        if config.deployment.auto_deploy and not _first_by_hand(config, evaluation):
            deployment = _deploy(config, experiment, evaluation.production_version, None)
        else:
            deployment = _await_deploy(config, experiment)
    except StoreError as error:
        return _failed(experiment, error)
    deployment = deployment.model_copy(update={"served": model.served})
    write_record(experiment.handoff, build_handoff(experiment, data, model, evaluation, verdict, deployment))
    return deployment


def _failed(experiment: Experiment, error: StoreError) -> Deployment:
    again = "" if isinstance(error, ProductionChangedError) else f"; then: ml-run --resume {experiment.id}"
    return Deployment(
        action="failed",
        reason=f"{error.where}: {error.found}" if error.where else error.found,
        next_step=f"{error.remedy}{again}".removeprefix("; "),
    )


def register_later(config: Config, experiment: Experiment) -> Deployment:
    """Register the model of a run that passed while the store was away: what `ml-run sync` does.

    Production is not touched: it may be another by now, and whoever syncs did not ask for a deployment.

    Raises:
        StoreError: the store is still away.
    """
    version = tracking.register_version(config, experiment)
    tracking.point_alias(config, experiment.project, tracking.CANDIDATE, version)
    deployment = Deployment(
        action="awaiting",
        reason=f"it passed and is registered as version {version}; it could not be deployed as it ended",
        version=version,
        next_step=f"ml-run deploy {experiment.id}",
    )
    _hand_off(experiment, deployment)
    return deployment


def _hand_off(experiment: Experiment, deployment: Deployment) -> None:
    data, model, evaluation, verdict = (
        read_record(experiment.data_report, PreparedData),
        read_record(experiment.training_record, TrainedModel),
        read_record(experiment.metrics, Evaluation),
        read_record(experiment.verdict, Verdict),
    )
    write_record(experiment.handoff, build_handoff(experiment, data, model, evaluation, verdict, deployment))


def deploy_experiment(config: Config, experiment: Experiment, override: str | None = None) -> Deployment:
    """Deploy a past run by hand: `ml-run deploy ID`.

    Args:
        config: the run's config.
        experiment: the run.
        override: why a model that did not pass is deployed all the same; recorded with the version.

    Raises:
        UsageError: the run has no verdict, its verdict is not on this model, or it did not pass and no reason is given.
        StoreError: the store or the verification failed; production is unchanged.
    """
    if not experiment.verdict.is_file():
        raise UsageError(
            f"run {experiment.id} has no verdict yet", remedy=f"let it end first: ml-run --resume {experiment.id}"
        )
    verdict = read_record(experiment.verdict, Verdict)
    evaluation = read_record(experiment.metrics, Evaluation)
    model = read_record(experiment.training_record, TrainedModel)
    _refuse_unjudged(experiment, model, evaluation)
    _refuse_without_reason(config, experiment, evaluation, verdict, override)
    recover(config, experiment.project)
    expected = evaluation.production_version
    if override is not None:
        expected = tracking.aliases(config, experiment.project).get(tracking.PRODUCTION)
    deployment = _deploy(config, experiment, expected, override).model_copy(update={"served": model.served})
    _hand_off(experiment, deployment)
    return deployment


def _refuse_unjudged(experiment: Experiment, model: TrainedModel, evaluation: Evaluation) -> None:
    """Raise UsageError when the scores and the verdict are on another model than the one that would be deployed."""
    manifest = experiment.model / files.MANIFEST
    there = files.folder_digest(experiment.model) if manifest.is_file() else model.digest  # export tells of damage
    if not evaluation.model_digest == model.digest == there:
        raise UsageError(
            f"run {experiment.id} holds another model than the one its verdict is on",
            where=str(experiment.model),
            remedy=f"judge this one: ml-run --resume {experiment.id}",
        )


def _refuse_without_reason(
    config: Config, experiment: Experiment, evaluation: Evaluation, verdict: Verdict, override: str | None
) -> None:
    if override is not None:
        if not override.strip():
            raise UsageError("the reason given with --override is empty", remedy="say why in a few words")
        return
    remedy = f'to deploy it all the same: ml-run deploy {experiment.id} --override "the reason"'
    if verdict.overall != "PASS":
        raise UsageError(f"run {experiment.id} did not pass: {verdict.overall}: {verdict.reason}", remedy=remedy)
    if config.deployment.first_deploy == "forbid" and evaluation.production_version is None:
        raise UsageError("a first deployment is forbidden", where="deployment.first_deploy", remedy=remedy)


# --- stop or wait -----------------------------------------------------------------------------------------------------


def _why_stop(config: Config, evaluation: Evaluation, verdict: Verdict) -> Deployment | None:
    if verdict.overall != "PASS":
        return Deployment(
            action="stopped",
            reason=f"the verdict is {verdict.overall}; production is unchanged",
            next_step="read the report: it names each criterion and what would change it",
        )
    if config.deployment.first_deploy == "forbid" and evaluation.production_version is None:
        return Deployment(
            action="stopped",
            reason="it passed, but there is no production model and deployment.first_deploy is forbid",
            next_step="set deployment.first_deploy to value_criteria or manual",
        )
    return None


def _first_by_hand(config: Config, evaluation: Evaluation) -> bool:
    return config.deployment.first_deploy == "manual" and evaluation.production_version is None


def _await_deploy(config: Config, experiment: Experiment) -> Deployment:
    version = tracking.register_version(config, experiment)
    tracking.point_alias(config, experiment.project, tracking.CANDIDATE, version)
    by_hand = "deployment.auto_deploy is false"
    if config.deployment.auto_deploy:
        by_hand = "there is no production model and deployment.first_deploy is manual"
    return Deployment(
        action="awaiting",
        reason=f"it passed and is registered as version {version}; {by_hand}",
        version=version,
        next_step=f"ml-run deploy {experiment.id}",
    )


# --- deploy -----------------------------------------------------------------------------------------------------------


def _deploy(config: Config, experiment: Experiment, expected: str | None, override: str | None) -> Deployment:
    """Export, verify, register, promote. Each step may be repeated, and nothing is served before the last."""
    project = experiment.project
    refuse_if_changed(config, project, expected, experiment.id)
    try:
        staging = deployments.export(project, experiment.id, experiment.model)
        verification = _verify(staging, experiment.reference)
        if override is None:
            _refuse_slow(config, verification, staging)
        version = tracking.register_version(config, experiment, override)
        folder = deployments.adopt(project, staging, version)
    finally:
        deployments.discard_staging(project, experiment.id)
    change = Change(
        action="deploy",
        version=version,
        previous=expected,
        digest=files.folder_digest(folder),
        time=utc_now(),
        experiment=experiment.id,
        override=override,
    )
    promote(config, project, change)
    return Deployment(
        action="deployed",
        reason=f"version {version} is production" + (f", by hand: {override}" if override else ""),
        version=version,
        folder=experiment.relative(folder),
        previous=expected if expected != version else None,
        verification=verification,
        override=override,
        next_step="to take it back: ml-run rollback" if expected else "",
    )


def _verify(folder: Path, reference: Path) -> Verification:
    """Load the exported model, read-only, in a fresh process without network; compare it with the trained one."""
    emit("progress", "verifying the exported model in a fresh process", stage="deploy", done=0, total=1)
    with tempfile.TemporaryDirectory() as scratch, deployments.read_only(folder):
        answer = Path(scratch) / "verification.json"
        command = [*_fresh_process(), "-m", "ml_run.modeling.verify", str(folder), str(reference), str(answer)]
        try:
            ended = offline.run(command, _VERIFY_SECONDS)
        except subprocess.TimeoutExpired:
            raise _not_verified(folder, f"no answer within {_VERIFY_SECONDS} s") from None
        if ended.returncode != 0:
            said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
            raise _not_verified(folder, one_line(said[-1]).removeprefix("ValueError: ")[:300])
        verification = read_record(answer, Verification)
    if why := _difference(verification, json.loads(reference.read_text("utf-8"))):
        raise _not_verified(folder, why)
    return verification


def _fresh_process() -> list[str]:
    """What starts Python, without any network where the system lets us take it away; `verify` refuses it besides."""
    # -P: a file of the user's called datasets.py must not be imported in place of the library.
    python = [sys.executable, "-P"]
    try:
        tried = [*_WITHOUT_NETWORK, *python, "-c", "import ml_run"]
        ended = subprocess.run(tried, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return python
    return [*_WITHOUT_NETWORK, *python] if ended.returncode == 0 else python


def _refuse_slow(config: Config, verification: Verification, folder: Path) -> None:
    """Raise StoreError where the model takes longer, here and now, than `gate.max_latency_ms` allows."""
    limit, p95 = config.gate.max_latency_ms, verification.latency_ms_p95
    if limit is not None and p95 is not None and p95 > limit:
        raise StoreError(
            f"the exported model needs {p95:.1f} ms for one text (95th percentile), gate.max_latency_ms is {limit:g}",
            where=str(folder.parent),
            remedy="look whether another process takes this machine's time",
        )


def _difference(found: Verification, trained: dict[str, Any]) -> str:
    """How the exported model differs from the trained one; empty when it does not."""
    if found.labels != tuple(trained["labels"]):
        return f"its labels are {', '.join(found.labels)}, the trained model's are {', '.join(trained['labels'])}"
    allowed = TOLERANCE * max(1.0, *(abs(value) for row in trained["logits"] for value in row))
    if found.largest_difference > allowed:
        return (
            f"a logit differs by {found.largest_difference:.2g} from the trained model's on {found.rows} rows,"
            f" {allowed:.2g} is allowed"
        )
    return "" if found.same_labels else f"it predicts another label than the trained model on some of {found.rows} rows"


def _not_verified(folder: Path, why: str) -> StoreError:
    return StoreError(
        f"the exported model could not be verified: {why}",
        where=str(folder.parent),
        remedy="look for a full disk or changed packages",
    )
