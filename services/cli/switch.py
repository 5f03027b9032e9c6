"""`spider halt`, `reduce` and `resume`: the kill switch."""

from typing import Annotated

import typer

from services.cli.refusal import Refusal, refusing
from spider_common.domain.control import TradingState

app = typer.Typer()
OfProduct = Annotated[str, typer.Option("--product", help="Of one product only.")]
OfClient = Annotated[str, typer.Option("--client", help="Of one client only.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for those who look at it later.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of a table.")]


@app.command()
@refusing()
def halt(product: OfProduct = "", client: OfClient = "", reason: Why = "", as_json: AsJson = False) -> None:
    """Let nothing but cancels go to venues, within a second: of everything, a product or a client."""
    _set(TradingState.HALTED, product, client, reason, as_json=as_json)


@app.command()
@refusing()
def reduce(product: OfProduct = "", client: OfClient = "", reason: Why = "", as_json: AsJson = False) -> None:
    """Let only orders go that take risk away: of everything, a product or a client."""
    _set(TradingState.REDUCING, product, client, reason, as_json=as_json)


@app.command()
@refusing()
def resume(product: OfProduct = "", client: OfClient = "", reason: Why = "", as_json: AsJson = False) -> None:
    """Let all orders go again. What was halted by itself, as a product, stays so."""
    _set(TradingState.ACTIVE, product, client, reason, as_json=as_json)


@app.command("states")
@refusing()
def show_states(as_json: AsJson = False) -> None:
    """Show what is not active, by whom and why."""
    from services.cli import standings  # noqa: PLC0415 brings boto3 with it

    standings.print_states(standings.stand(), as_json=as_json)


def _set(state: TradingState, product: str, client: str, reason: str, *, as_json: bool) -> None:
    from services.cli import standings  # noqa: PLC0415 brings boto3 with it

    if product and client:
        raise Refusal("--client: a state is of a product or of a client; name one of them")
    scope = standings.scope_of(product, client)
    was, watch = standings.set_state(state, scope, reason)
    typer.echo(f"{scope}: {f'{state} already' if was is state else f'{was} before, now {state}'}", err=True)
    standings.print_states(watch, as_json=as_json)
