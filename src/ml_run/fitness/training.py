"""Will a training fit here, and how long will it take?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config.names import LINEAR
from ml_run.events import emit
from ml_run.fitness.demand import memory_need, training_seconds, training_steps
from ml_run.fitness.hardware import accelerator, gigabytes, processor
from ml_run.fitness.probe import measure_speed
from ml_run.fitness.record import Check, Estimate
from ml_run.fitness.shapes import shape_of
from ml_run.modeling.precision import Choice, choose, known_speed, measure_bf16
from ml_run.wording import duration, number_of

if TYPE_CHECKING:
    import torch

    from ml_run.config import Config
    from ml_run.fitness.demand import Speed, Work
    from ml_run.fitness.hardware import Hardware
    from ml_run.fitness.shapes import ModelShape

_LINEAR_MEMORY = 1_000_000_000
_LINEAR_SECONDS, _LINEAR_SECONDS_A_ROW = 20.0, 0.012
"""27 s of processor time for 1,463 long rows, the checks of the data among them (docs/training.md)."""
_SHORTEST = 8
_BUSY = 1.5
_HOW = "from 5 s of steps on random tokens; ± a third"


def training_checks(config: Config, work: Work | None) -> tuple[list[Check], Estimate | None]:
    """Device, memory, arithmetic and time."""
    if config.model.name == LINEAR:
        return _linear(work)
    hardware, device = accelerator()
    checks = [Check("device", "ok", hardware.said)]
    shape = shape_of(config.model)
    choice = _precision(config, device)
    arithmetic = Check("arithmetic", "ok", f"{choice.precision}: {choice.why}")
    if shape is None:
        said = f"the size of {config.model.name} is not known before it is here"
        return [*checks, Check("memory", "info", said, "fetch it first: hf download"), arithmetic], None
    length = _length(config, work)
    estimate = _estimate(config, work, shape, length, hardware, choice, device)
    return [*checks, _memory(config, shape, hardware, estimate), arithmetic, _time(estimate, work)], estimate


def _linear(work: Work | None) -> tuple[list[Check], None]:
    machine = processor()
    checks = [Check("device", "ok", f"{machine.said}; the linear model needs no GPU")]
    if machine.memory is not None and machine.memory < _LINEAR_MEMORY:
        found = f"{gigabytes(machine.memory)} are free, a run of the linear model takes about 1 GB"
        checks.append(Check("memory", "warning", found, "close other programs"))
    elif machine.memory is not None:
        checks.append(Check("memory", "ok", f"{gigabytes(machine.memory)} free, about 1 GB is needed"))
    if work:
        seconds = _LINEAR_SECONDS + _LINEAR_SECONDS_A_ROW * (work.train_rows + work.val_rows)
        rows = number_of(work.train_rows, "training row")
        checks.append(Check("time", "ok", f"about {_rounded(seconds)} for {rows}, the checks of the data included"))
    return checks, None


def _precision(config: Config, device: torch.device) -> Choice:
    """As training will choose; what it would measure and keep is measured here, and not kept."""
    if config.training.precision != "auto" or device.type != "cpu":
        return choose(config.training.precision, device)
    speed = known_speed() or measure_bf16()
    return choose("auto", device, speed=speed)


def _length(config: Config, work: Work | None) -> int:
    return max(_SHORTEST, min(config.model.max_length, round(work.tokens) if work else config.model.max_length))


def _estimate(
    config: Config, work: Work | None, shape: ModelShape, length: int, hardware: Hardware, choice: Choice,
    device: torch.device,
) -> Estimate:  # fmt: skip
    emit("note", "measuring how fast this machine trains, for five seconds")
    speed = measure_speed(shape, length, choice.precision, device)
    trimmed = shape.trimmed() if _trims(config, shape) else shape
    rows, longest, cpu = config.training.batch_size, config.model.max_length, hardware.kind == "cpu"
    return Estimate(
        parameters=shape.parameters,
        memory_bytes=memory_need(shape, rows, longest, cpu=cpu),
        memory_bytes_trimmed=memory_need(trimmed, rows, longest, cpu=cpu),
        seconds=round(_seconds(config, work, speed, trimmed)) if work else None,
        steps=training_steps(work, config.training) if work else None,
        rows=work.train_rows if work else None,
        tokens_a_row=round(work.tokens, 1) if work else None,
        device=hardware.said,
        busy=round(speed.busy, 1),
        how=_HOW,
    )


def _trims(config: Config, shape: ModelShape) -> bool:
    return config.model.trim_vocabulary != "off" and shape.worth_trimming


def _seconds(config: Config, work: Work, speed: Speed, shape: ModelShape) -> float:
    return training_seconds(work, config.training, speed, shape.parameters)


def _memory(config: Config, shape: ModelShape, hardware: Hardware, estimate: Estimate) -> Check:
    size = f"{shape.parameters / 1e6:.0f} million parameters"
    most, least = estimate.memory_bytes, estimate.memory_bytes_trimmed
    need = f"up to {gigabytes(most)}"
    if least < most:
        need += f", about {gigabytes(least)} once its vocabulary is trimmed to the texts"
    if hardware.memory is None:
        return Check("memory", "info", f"{size} take {need}; this system does not say what is free")
    found = f"{size} take {need}; {gigabytes(hardware.memory)} free"
    if most <= hardware.memory:
        return Check("memory", "ok", found)
    smaller = "smaller portions of a step are tried when memory runs out; lower training.batch_size or model.max_length"
    alone = memory_need(shape.trimmed() if least < most else shape, 1, config.model.max_length, cpu=True)
    if alone <= hardware.memory:
        return Check("memory", "warning", found, f"it may just fit: {smaller}")
    return Check("memory", "error", found, "close other programs, or name a smaller model in model.name")


def _time(estimate: Estimate, work: Work | None) -> Check:
    if estimate.seconds is None or work is None:
        said = "not estimated: the rows are not on this machine"
        return Check("time", "info", said, "fetch the data into a file, or start and see")
    rows = f"{'' if work.exact else 'about '}{number_of(work.train_rows, 'training row')}"
    about = f"{rows} of {work.tokens:.0f} tokens, {number_of(estimate.steps or 0, 'step')} at the most"
    busy = f". Other programs are busy now: with them {estimate.busy:.1f} times that" if estimate.busy > _BUSY else ""
    return Check("time", "ok", f"up to about {_rounded(estimate.seconds)}: {about} ({estimate.how}){busy}")


def _rounded(seconds: float) -> str:
    """No more exact than an estimate is: whole minutes from ten on, hours from five on."""
    for unit, enough in ((3600, 5 * 3600), (60, 600)):
        if seconds >= enough:
            return duration(unit * round(seconds / unit)).removesuffix(" 0 s").removesuffix(" 0 min")
    return duration(round(seconds)).replace(".0 s", " s")
