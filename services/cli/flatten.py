"""`spider flatten`: nothing is held any more."""

from typing import Annotated

import typer

from services.cli.confirm import confirm
from services.cli.refusal import Refusal, refusing

app = typer.Typer()


@app.command()
@refusing()
def flatten(
    product: Annotated[str, typer.Option("--product", help="Of one product only.")] = "",
    client: Annotated[str, typer.Option("--client", help="Of one client only.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Of all products and clients.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    timeout_s: Annotated[int, typer.Option(min=1, help="How long to wait until it is so.")] = 180,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of a table.")] = False,
) -> None:
    """Open nothing any more, cancel what rests, close all that is held, and see that it is so.

    Code 1: something is still held after the time, or not known to be flat.
    """
    from services.cli import live_desk  # noqa: PLC0415 brings the whole system with it

    if [bool(product), bool(client), every].count(True) != 1:
        raise Refusal("name --product or --client, or give --all; one of the three")
    scope = live_desk.scope_of(product, client)
    outlook = live_desk.look(scope)
    live_desk.print_outlook(outlook, as_json=as_json)
    if not outlook.asked:
        typer.echo(f"{scope}: nothing is held and nothing rests", err=True)
        return
    confirm(f"{scope}: close this, and open nothing until `spider resume`?", yes=yes)
    left = live_desk.flatten(scope, timeout_s)
    live_desk.print_left(left, as_json=as_json)
    if left:
        typer.echo(f"{scope}: not known to be flat after {timeout_s} s", err=True)
        raise typer.Exit(1)
    typer.echo(f"{scope}: flat, as the venues tell; it stays reducing until `spider resume`", err=True)
