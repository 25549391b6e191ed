"""One of several processes that train a model together: `python -m ml_run.modeling.parallel_worker`.

Started by `modeling.parallel` alone, which writes its orders to standard input, and after them a byte when it is to
stop. When that input ends, the parent is gone, and this process goes at once.
"""

import json
import os
import pickle
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from ml_run.errors import Interrupted, MlRunError
from ml_run.interruption import Interruption
from ml_run.modeling import parallel_ends
from ml_run.modeling.parallel import STOP, Orders
from ml_run.modeling.telling import Asked, Told, handing

_FAILED = 1


def main() -> None:
    """Entry point of the process; ends it with 0 when training has ended, or has stopped as it was asked to."""
    asked = Asked()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, asked.ask)  # a service manager tells all processes of a service to stop
    orders: Orders = pickle.load(sys.stdin.buffer)  # noqa: S301 -- of this very program
    threading.Thread(target=_heed, args=(sys.stdin.buffer, orders, asked), daemon=True).start()
    code = _FAILED
    try:
        with handing(_lines_to(orders.events)):
            _train(orders, asked)
        code = 0
    except MlRunError as error:
        if not parallel_ends.tell(orders.scratch, orders.number, error):
            traceback.print_exc()
    except BaseException:  # noqa: BLE001 -- whatever it is, the parent tells it from what is written here
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)  # with the threads of its libraries, some of which wait for processes that have failed


def _heed(orders_end: BinaryIO, orders: Orders, asked: Asked) -> None:
    while orders_end.read(1) == STOP:
        asked.ask()
    shutil.rmtree(orders.scratch, ignore_errors=True)
    os._exit(_FAILED)


def _lines_to(told: int | None) -> Callable[[Told], None] | None:
    """What writes an event as a JSON line, whole, to the file descriptor `told`."""
    if told is None:
        return None
    os.set_inheritable(told, False)
    return partial(_write_line, told)


def _write_line(told: int, event: Told) -> None:
    rest = memoryview(json.dumps(event, default=str).encode() + b"\n")
    while rest:
        rest = rest[os.write(told, rest) :]


def _train(orders: Orders, asked: Interruption) -> None:
    from ml_run.modeling import fitting, ranks, scoring

    _join(orders)
    job = orders.job
    with scoring.quiet_libraries(), suppress(Interrupted):
        fitting.train(job.task, job.config, job.attempt, job.last, asked)
    ranks.current().meet()  # a process that stops is still spoken to


def _join(orders: Orders) -> None:
    """Meet the other processes; on GPUs, take the one of this process's number."""
    import torch
    from torch import distributed
    from torch.distributed import FileStore  # type: ignore[attr-defined]

    count = orders.job.config.compute.processes
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(orders.number)
    store = FileStore(str(orders.store), count)
    distributed.init_process_group("nccl" if on_gpus else "gloo", store=store, rank=orders.number, world_size=count)


if __name__ == "__main__":
    main()
