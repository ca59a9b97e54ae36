"""How a command ends where it cannot go on: a sentence on stderr and an exit code.

0 done, 1 the work failed, 2 the user's mistake, found before any work, 130 stopped by hand.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pipeline.errors import EngineError, LaconicError, RunFailed


@contextmanager
def sentences(when_stopped: str = "what was computed is kept: run again to go on") -> Iterator[None]:
    """Turns the project's errors into their sentence and exit code; `when_stopped` follows an interruption."""
    try:
        yield
    except LaconicError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, RunFailed | EngineError) else 2) from None
    except KeyboardInterrupt:
        typer.echo(f"stopped; {when_stopped}", err=True)
        raise typer.Exit(130) from None
