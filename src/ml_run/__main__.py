"""Entry point of the console script: ready for Ctrl-C before anything else is loaded."""

import sys

from ml_run.errors import Interrupted
from ml_run.interruption import Interruption


def main() -> None:
    """Run the command line; every end has an exit code, also one in the first tenth of a second."""
    try:
        with Interruption().installed():
            from ml_run.cli import main as command_line

            command_line()
    except Interrupted as stopped:
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
