"""How a process of the bus ends when it must not go on."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

# EX_TEMPFAIL of sysexits.h: the supervisor starts the process again.
EXIT_RESTART = 75

Die = Callable[[str, BaseException | None], NoReturn]


def words(error: BaseException) -> str:
    """What an error says; its type where it says nothing (a time-out)."""
    return str(error) or type(error).__name__


def exit_process(reason: str, error: BaseException | None = None) -> NoReturn:
    """Prints the reason and ends the process at once with code 75, running nothing else.

    Nothing may be cleaned up politely here: a transaction that went wrong is ended by the broker and by whoever
    takes the partition over, and every farewell message could fence or overwrite the new owner.
    """
    print(f"stopped: {reason}", file=sys.stderr)  # noqa: T201 (the last words, whatever became of logging)
    if error is not None:
        traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(EXIT_RESTART)
