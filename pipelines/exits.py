"""How the program ends: our errors and Ctrl-C as one message and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from schemas.errors import CurateError, Interrupted

INTERRUPTED = "interrupted: everything finished so far is kept; run the same command again to go on"


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the process on the spot, with exit code 130.

    A build survives being killed at any instant, so nothing is gained by unwinding, and a query engine that
    turns the signal into an error of its own, or waits for its threads, cannot get in the way.
    """

    def stop(_signal: int, _frame: object) -> None:
        shown = "\x1b[?25h\n" if sys.stderr.isatty() else ""  # the progress bar hides the cursor
        os.write(2, f"{shown}{INTERRUPTED}\n".encode())
        os._exit(Interrupted.exit_code)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """Print an error of ours without a traceback and exit with its code; Ctrl-C exits with 130."""
    try:
        yield
    except CurateError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo(INTERRUPTED, err=True)
        sys.exit(Interrupted.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`curate show … | head`): not a fault.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


class Commands(click.Group):
    """A group whose commands turn our errors into exit codes and keep the order they are defined in."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command inside `errors_to_exit_codes`."""
        with errors_to_exit_codes():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """In the order of the work, not of the alphabet."""
        return list(self.commands)
