"""Keeping a heavy library out of the process while another one is imported that only looks whether it is there."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(library: str) -> Iterator[None]:
    """Let `import LIBRARY` fail within the block, in this thread, unless it is loaded already.

    For libraries that import another one if they can, for features not used here: evaluate would load transformers
    and torch for its pipelines (4 s, 300 MB), skops.io torch for the sake of a list of classes.
    """
    guard = _Guard(library)
    sys.meta_path.insert(0, guard)
    try:
        yield
    finally:
        sys.meta_path.remove(guard)


class _Guard:
    """An importer that finds nothing, and says that there is nothing."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._thread = threading.get_ident()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name == self._library and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not wanted here", name=name)
