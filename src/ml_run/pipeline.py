"""The road: data → train → evaluate → gate → deploy → registry. Reading this file is reading the product."""

from ml_run import cluster, files
from ml_run.config import Config
from ml_run.deployments import history
from ml_run.errors import NotReadyError
from ml_run.events import emit
from ml_run.experiment import Experiment
from ml_run.interruption import Interruption
from ml_run.results import (
    SPLITS,
    STAGES,
    Decision,
    Evaluation,
    PreparedData,
    Registration,
    StageName,
    TrainedModel,
    Verdict,
)
from ml_run.splits import HOLDOUT
from ml_run.walk import walk_stage
from ml_run.wording import number_of

_SOURCES = {"train_path", "val_path", "test_path", "unlabelled_path"}


def run_pipeline(config: Config, experiment: Experiment, interruption: Interruption, until: StageName) -> None:
    """Walk the stages up to and including `until`; what stands from an earlier walk is not done again.

    Every stage leaves its record in the experiment folder; `conclusion.conclude` reads them from there.

    Raises:
        MlRunError: a stage cannot be done; its exit code says what kind of trouble it is.
        Interrupted: a stop signal arrived; what was finished stands.
    """
    with cluster.using(config.compute):
        _walk(config, experiment, interruption, STAGES.index(until))


def _walk(config: Config, experiment: Experiment, interruption: Interruption, last: int) -> None:
    data = _data(config, experiment)
    interruption.check()  # a signal may have arrived where Python drops exceptions
    if last < STAGES.index("train"):
        return
    model = _train(config, experiment, data, interruption)
    if last < STAGES.index("evaluate"):
        return
    evaluation = _evaluate(config, experiment, data, model)
    interruption.check()
    if last < STAGES.index("gate"):
        return
    verdict = _gate(config, experiment, evaluation)
    if last < STAGES.index("deploy"):
        return
    _deploy(config, experiment, data, model, evaluation, verdict)
    if last < STAGES.index("registry"):
        return
    _registry(config, experiment)


def _data(config: Config, experiment: Experiment) -> PreparedData:
    from ml_run.stages.data import prepare_data, source_fingerprint

    settings = config.data.model_dump(mode="json", exclude=_SOURCES)
    held_out = config.evaluation.holdout_group
    data = walk_stage(
        experiment,
        "data",
        kind=PreparedData,
        inputs=files.hash_value([source_fingerprint(config), settings, config.model.num_labels, held_out]),
        work=lambda: prepare_data(config, experiment),
        # Not the review queue: people write their corrections into it.
        outputs=(*(experiment.split(name) for name in _prepared(config)), experiment.rejected),
        done=lambda data: data.readiness != "not ready",
        summary=_data_summary,
    )
    require_ready(data, report=f"all findings: {experiment.relative(experiment.report_md)}")
    return data


def _prepared(config: Config) -> tuple[str, ...]:
    """The rows that the data stage writes."""
    return (*SPLITS, HOLDOUT) if config.evaluation.holdout_group else SPLITS


def require_ready(data: PreparedData, *, report: str) -> None:
    """Raise NotReadyError, naming the first error and where the rest stands, when the data cannot carry a verdict."""
    if data.readiness != "not ready":
        return
    errors = [finding for finding in data.findings if finding.severity == "error"]
    places = [f"{e.file}:{e.line}" if e.line else e.file for e in errors[0].examples[:1]]
    count = number_of(len(errors), "error") + (", the first" if errors[1:] else "")
    raise NotReadyError(
        f"the data is not ready: {count}: {errors[0].message}",
        where="".join(places),
        remedy=f"{errors[0].remedy}; {report}",
    )


def _train(config: Config, experiment: Experiment, data: PreparedData, interruption: Interruption) -> TrainedModel:
    from ml_run.stages.train import train_inputs, train_model

    return walk_stage(
        experiment,
        "train",
        kind=TrainedModel,
        inputs=train_inputs(config, data),
        work=lambda: train_model(config, experiment, data, interruption),
        outputs=(experiment.model, experiment.reference),
        summary=_train_summary,
    )


def _evaluate(config: Config, experiment: Experiment, data: PreparedData, model: TrainedModel) -> Evaluation:
    from ml_run.stages.deploy import production
    from ml_run.stages.evaluate import evaluate_model

    in_production = production(config, experiment.project)
    compared_with = in_production.version if in_production else None
    rows = [files.hash_file(experiment.split(name)) for name in _prepared(config)]  # their sources, too
    language = data.language_check and data.language_check.expected
    # Production may be this run's own model, when it was stopped after deploying: the evaluation then stands as it is.
    if _is_own(experiment, compared_with) and experiment.metrics.is_file():
        compared_with = Evaluation.model_validate_json(experiment.metrics.read_bytes()).production_version
    return walk_stage(
        experiment,
        "evaluate",
        kind=Evaluation,
        inputs=files.hash_value([rows, language, model.digest, config.data.leaks, compared_with]),
        work=lambda: evaluate_model(config, experiment, data, model, in_production),
        outputs=(experiment.predictions,),
        summary=_evaluation_summary,
    )


def _is_own(experiment: Experiment, version: str | None) -> bool:
    made_by = {change.version: change.experiment for change in history(experiment.project) if change.experiment}
    return version is not None and made_by.get(version) == experiment.id


def _gate(config: Config, experiment: Experiment, evaluation: Evaluation) -> Verdict:
    from ml_run.stages.gate import decide

    settings = [config.gate.model_dump(mode="json"), config.deployment.model_dump(mode="json")]
    verdict = walk_stage(
        experiment,
        "gate",
        kind=Verdict,
        inputs=files.hash_value([files.hash_file(experiment.metrics), settings]),
        work=lambda: decide(evaluation, config.gate, config.deployment),
        summary=lambda v: f"{v.overall}: {v.reason}",
    )
    criteria = {criterion.name: criterion.verdict for criterion in verdict.criteria}
    emit("verdict", f"{verdict.overall}: {verdict.reason}", overall=verdict.overall, criteria=criteria)
    return verdict


def _deploy(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    model: TrainedModel,
    evaluation: Evaluation,
    verdict: Verdict,
) -> Decision:
    from ml_run.stages.deploy import deploy_model

    def work() -> Decision:
        deployment = deploy_model(config, experiment, data, model, evaluation, verdict)
        return Decision(verdict=verdict, deployment=deployment)

    return walk_stage(
        experiment,
        "deploy",
        kind=Decision,
        inputs=files.hash_value([files.hash_file(experiment.verdict), model.digest, config.registry.name]),
        work=work,
        done=lambda decision: decision.deployment.action != "failed",
        summary=lambda decision: f"{decision.deployment.action}: {decision.deployment.reason}",
    )


def _registry(config: Config, experiment: Experiment) -> Registration:
    from ml_run.reporting import write_reports
    from ml_run.stages.registry import register_run

    def work() -> Registration:
        write_reports(config, experiment)  # the registry keeps a copy
        return register_run(config, experiment)

    return walk_stage(
        experiment,
        "registry",
        kind=Registration,
        inputs=files.hash_value([files.hash_file(experiment.deployment), files.hash_file(experiment.metrics)]),
        work=work,
        done=lambda registration: registration.status == "sent",
        summary=_registration_summary,
    )


# --- one line a stage -----------------------------------------------------------------------------------------------


def _data_summary(data: PreparedData) -> str:
    rows = ", ".join(f"{split.rows:,} {name}" for name, split in data.splits.items())
    rejected = sum(split.rejected for split in data.splits.values())
    left_out = f", {rejected:,} left out" if rejected else ""
    return f"{data.readiness}; {rows} rows in {len(data.labels)} classes{left_out}"


def _train_summary(model: TrainedModel) -> str:
    score = "undefined" if model.best_val_macro_f1 is None else f"{model.best_val_macro_f1:.3f}"
    if model.linear and model.folds:
        return f"linear model, mean macro-F1 {score} over {len(model.folds.runs)} folds"
    if model.linear:
        tried = number_of(len(model.linear.trials), "setting")
        return f"linear model, best of {tried} by validation macro-F1, {score}"
    reached = f"best validation macro-F1 {score} in epoch {model.best_epoch:g}"
    if model.folds:
        reached = f"mean macro-F1 {score} over {len(model.folds.runs)} folds"
    return f"{model.parameters / 1e6:.1f} M parameters, {model.global_step:,} steps, {reached}"


def _evaluation_summary(evaluation: Evaluation) -> str:
    def of(name: str, value: float | None) -> str:
        return f"{name} undefined" if value is None else f"{name} {value:.3f}"

    linear = [b.macro_f1.value for b in evaluation.baselines if b.name == "linear"]
    return (
        f"{of('accuracy', evaluation.candidate.accuracy.value)}, "
        f"{of('macro-F1', evaluation.candidate.macro_f1.value)} on {evaluation.n:,} test rows"
        + (f" ({of('linear baseline', linear[0])})" if linear else "")
    )


def _registration_summary(registration: Registration) -> str:
    if registration.status == "pending":
        return f"pending: {registration.reason}"
    version = f", {registration.model_name} version {registration.version}" if registration.version else ""
    return f"recorded in MLflow{version}"
