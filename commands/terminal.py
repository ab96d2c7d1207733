"""What commands say, and how they fail."""

import sys


class CommandFailed(Exception):
    """A command can't go on. The message is one line for whoever typed it; ``exit_code`` is 2 where they must change
    what they typed or set, 1 otherwise.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def say(text: str = "", end: str = "\n") -> None:
    """Writes to standard output at once, also when that is a pipe."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def complain(text: str) -> None:
    """Writes a line to standard error."""
    sys.stderr.write(f"synapse: {text}\n")
