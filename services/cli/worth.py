"""`spider worth`: what an account's limits remember of its equity."""

from typing import Annotated

import typer

from services.cli import show
from services.cli.confirm import confirm
from services.cli.refusal import Refusal, refusing
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.quantities import canonical

app = typer.Typer()


@app.command("worth")
@refusing()
def show_worth(
    account: Annotated[str, typer.Argument(help="VENUE/ACCOUNT, as okx/okx-ana.")],
    anew: Annotated[
        bool, typer.Option("--anew", help="Forget all but the newest, after a deposit or a withdrawal.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of a table.")] = False,
) -> None:
    """Show the equity by which daily loss and drawdown are judged, or let it begin anew."""
    from services.cli import worths  # noqa: PLC0415 brings boto3 with it

    venue, name = _account(account)
    known = worths.read(venue, name)
    if anew:
        worth = known.value
        latest, peak = canonical(worth.latest.equity), canonical(worth.peak)
        confirm(f"{account}: take {latest} for the highest ever, in place of {peak}?", yes=yes)
        known = worths.begin_anew(venue, known)
    worth = known.value
    if as_json:
        show.print_json(worth)
        return
    show.print_table(
        f"{account}, in {worth.latest.currency}",
        ("equity", "since", "at the day's start", "highest"),
        [
            (
                canonical(worth.latest.equity),
                show.moment(worth.latest.ts_venue),
                canonical(worth.opening.equity),
                canonical(worth.peak),
            )
        ],
    )


def _account(text: str) -> tuple[Venue, AccountId]:
    venue, _, name = text.partition("/")
    if venue not in list(Venue) or not name:
        raise Refusal(f"ACCOUNT: {text!r} is not VENUE/ACCOUNT; write it as okx/okx-ana")
    return Venue(venue), AccountId(name)
