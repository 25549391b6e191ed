"""How fast this machine trains: steps of a model of the right width and few layers, for some seconds."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ml_run.fitness.demand import Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch

    from ml_run.fitness.shapes import ModelShape
    from ml_run.modeling.lanes import Lanes
    from ml_run.modeling.precision import Precision

_SECONDS = 5.0
_FEW, _MORE = 1, 3
"""Layers of the two models: their difference is what a layer takes, the rest what comes once."""
_TOKENS = 1_024
_PIECES = 1_000
_ROUNDS = 20
_OPTIMIZER, _BUSY = "optimizer", "busy"


def measure_speed(shape: ModelShape, length: int, precision: Precision, device: torch.device) -> Speed:
    """Train two models of the width of `shape` on random tokens for five seconds, and reckon up to all its layers.

    On a processor its own time is taken, which other processes disturb least, over the threads that share it.

    Args:
        shape: the model that is meant.
        length: tokens of a row.
        precision: of the products, as training would choose.
        device: where to train.
    """
    import torch

    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        models = {layers: _built(shape, layers, length) for layers in (_FEW, _MORE)}
        rows = max(1, _TOKENS // length)
        tokens = torch.randint(5, _PIECES, (rows, length), device=device)
    lanes = _lanes(models.values(), precision, device)
    optimizer = torch.optim.AdamW(models[_MORE].parameters())
    work: dict[str, Callable[[], object]] = {
        str(layers): partial(_step, model, tokens, precision, device, lanes) for layers, model in models.items()
    }
    taken = _times(work | {_OPTIMIZER: optimizer.step}, device)
    few, more = taken[str(_FEW)], taken[str(_MORE)]
    whole = few + (shape.layers - _FEW) * max(0.0, more - few) / (_MORE - _FEW)
    weights = sum(weight.numel() for weight in models[_MORE].parameters())
    return Speed(whole / (rows * length), taken[_OPTIMIZER] / weights, taken[_BUSY])


def _times(work: dict[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Median seconds of each piece of work, done in turns, and under `_BUSY` how much longer it really took."""
    import torch

    threads = torch.get_num_threads() if device.type == "cpu" else 1
    rounds: list[dict[str, tuple[float, float]]] = []
    end = time.monotonic() + _SECONDS
    while len(rounds) < _ROUNDS and (not rounds or time.monotonic() < end):
        rounds.append({name: _time(piece, device) for name, piece in work.items()})
    rounds = rounds[1:] or rounds  # the first one loads what the others use
    own = [
        {name: processor / threads if device.type == "cpu" else wall for name, (wall, processor) in times.items()}
        for times in rounds
    ]
    real = sum(wall for times in rounds for wall, _ in times.values())
    busy = real / max(1e-9, sum(sum(times.values()) for times in own))
    return {name: statistics.median(times[name] for times in own) for name in work} | {_BUSY: busy}


def _built(shape: ModelShape, layers: int, length: int) -> Any:
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    model: Any = XLMRobertaForSequenceClassification(
        XLMRobertaConfig(
            vocab_size=_PIECES,
            hidden_size=shape.hidden,
            num_hidden_layers=layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.inner,
            max_position_embeddings=length + 2,
            type_vocab_size=1,
            pad_token_id=1,
        )
    )
    return model.train()


def _lanes(models: Iterable[Any], precision: Precision, device: torch.device) -> Lanes | None:
    """Have `models` train on `device` as training would; the lanes that it would train them in."""
    import torch

    from ml_run.modeling import compute
    from ml_run.modeling.lanes import Lanes
    from ml_run.results import Compute

    threads = torch.get_num_threads()
    how = Compute(precision=precision, why="", attention_dropout=True, allocator="system", threads=threads)
    for model in models:
        model.to(device)
        compute.apply(how, model, device)
        how = compute.shared(how, model, device)
    return Lanes(how.lanes) if how.lanes > 1 else None


def _step(model: Any, tokens: torch.Tensor, precision: Precision, device: torch.device, lanes: Lanes | None) -> None:
    if lanes and len(tokens) > 1:
        parts = [{"tokens": part} for part in tokens.chunk(2)]
        lanes.run(lambda part: _gradient(model, part["tokens"], precision, device), parts)
    else:
        _gradient(model, tokens, precision, device)


def _gradient(model: Any, tokens: torch.Tensor, precision: Precision, device: torch.device) -> None:
    import torch

    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
        logits = model(input_ids=tokens).logits
    logits.float().square().mean().backward()


def _time(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds by the clock, and of this process's processor time."""
    import torch

    start, processor = time.monotonic(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - start, time.process_time() - processor
