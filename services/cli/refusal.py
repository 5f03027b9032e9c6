"""How a command says no."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from spider_common.settings import BadSetting


class Refusal(Exception):
    """A command cannot be done as asked. Its text is one line that names the place and the fix."""


@contextmanager
def refusing() -> Iterator[None]:
    """Ends the command with that line on stderr and code 2."""
    try:
        yield
    except (Refusal, BadSetting) as error:
        typer.echo(" ".join(str(error).split()), err=True)
        raise typer.Exit(2) from None
