"""Asking before what cannot be taken back."""

import sys

import typer

from services.cli.refusal import Refusal


def confirm(question: str, *, yes: bool) -> None:
    """Returns when a person agrees, or `yes` has said so before.

    Raises:
        Refusal: nobody is there to be asked.
        typer.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refusal(f"{question} Nobody can be asked here; --yes says so")
    typer.confirm(question, abort=True, err=True)
