"""Entry point of the console script: ready for Ctrl-C before anything else is loaded."""

import gc
import sys

from ml_run.errors import Interrupted
from ml_run.interruption import Interruption

_OBJECTS_A_COLLECTION = 50_000


def main() -> None:
    """Run the command line; every end has an exit code, also one in the first tenth of a second."""
    # Torch, transformers and a vocabulary are millions of objects that stay: to look through them again after every 700
    # new ones, Python's default, took a fifth of the time to load them.
    gc.set_threshold(_OBJECTS_A_COLLECTION, *gc.get_threshold()[1:])
    try:
        with Interruption().installed():
            from ml_run.cli import main as command_line

            command_line()
    except Interrupted as stopped:
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
