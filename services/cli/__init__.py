"""The `spider` command: what the system would make of a frame or an event, and what it has made of one.

Results go to stdout, messages to stderr. Bad input ends with code 2 and one line that names the place
and the fix. Start-up is quick because what is slow to import is imported by the command that needs it.
"""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.cli import configure, dlq, flatten, show, switch, worth
from services.cli.dialects import events_in
from services.cli.files import load, load_events, load_instruments
from services.cli.frames import frames_of, shown
from services.cli.refusal import Refusal, refusing
from spider_common.domain import planning
from spider_common.domain.drafting import Situation, UnknownInstrument
from spider_common.domain.drift import DRIFT_WORDS
from spider_common.domain.identifiers import AccountId, EventId, Venue
from spider_common.domain.positions import Book
from spider_common.domain.products import Equity, Product
from spider_common.domain.reasons import WORDS, Reason
from spider_common.domain.risk import EQUITY_AGE
from spider_common.venues.cards import CARDS
from spider_common.venues.outcomes import UnreadableFrame

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug shows its plain traceback
    help="What the system would make of a frame or an event, and what it has made of one.",
)
app.add_typer(configure.app, name="config")
app.add_typer(switch.app)
app.add_typer(flatten.app)
app.add_typer(dlq.app, name="dlq")
app.add_typer(worth.app)
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of a table.")]
Lists = Annotated[
    list[Path] | None,
    typer.Option("--instruments", help="A venue's list of what it trades; may be repeated."),
]


@app.command("decode")
@refusing()
def decode_frames(
    venue: Annotated[Venue, typer.Argument(help="Whose frames they are.")],
    instruments: Lists = None,
    account: Annotated[
        str, typer.Option(help="Whose socket the frames came from.", show_default="VENUE-leader")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Changes nothing: events are JSON lines.")] = True,  # noqa: ARG001 each command takes it
) -> None:
    """Raw private frames on stdin, text or gzip, to normalised events on stdout."""
    from spider_common.clock import SystemClock  # noqa: PLC0415 brings Trio with it

    known, clock = load_instruments(instruments or []), SystemClock()
    whose = AccountId(account or f"{venue}-leader")
    frames = unreadable = 0
    for place, frame in frames_of(sys.stdin.buffer):
        frames += 1
        try:
            events = events_in(frame, venue, account=whose, instruments=known, seen=clock.now())
        except UnreadableFrame as error:
            unreadable += 1
            typer.echo(f"{place}: {error}\n  {shown(frame)}", err=True)
        else:
            show.print_json(*events)
    if not frames:
        raise Refusal(f"stdin: no frame in it; write: spider decode {venue} < frame.json")
    raise typer.Exit(1 if unreadable else 0)


@app.command("plan")
@refusing()
def plan_event(
    event: Annotated[Path, typer.Option(help="LeaderEvent, OrderFact or a decoded order; - is stdin.")],
    product: Annotated[Path, typer.Option(help="The product, YAML or JSON.")],
    instruments: Lists = None,
    equities: Annotated[Path | None, typer.Option(help="A list of equities.")] = None,
    book: Annotated[
        Path | None, typer.Option(help="The book before; without it nobody holds a thing.")
    ] = None,
    now: Annotated[int | None, typer.Option(help="When to plan, Unix ns; else the fact's ts_venue.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the orders that the planner would make of an event, with reasons. Touches nothing."""
    chosen = load(product, Product)
    events = load_events(event, chosen, product)
    fact = events[0].fact
    moment = fact.ts_venue if now is None else now
    situation = Situation(
        product=chosen,
        instruments=load_instruments(instruments or []),
        cursor=None,
        book=load(book, Book) if book else Book(),
        equities={each.account: each for each in load(equities, tuple[Equity, ...])} if equities else {},
        oldest_equity=moment - EQUITY_AGE,
        now=moment,
    )
    try:
        made = [(each.shard, planning.plan(each, situation)) for each in events]
    except UnknownInstrument as error:
        raise Refusal(f"{event}: {error}: --instruments FILE names a list") from None
    intents = [
        (shard, intent) for shard, plan in made if isinstance(plan, planning.Plan) for intent in plan.intents
    ]
    reasons = [(shard, reason) for shard, reason in made if isinstance(reason, Reason)]
    if as_json:
        show.print_json(*({"shard": shard, "intent": intent} for shard, intent in intents))
        show.print_json(*({"shard": shard, "reason": reason} for shard, reason in reasons))
    elif intents:
        show.print_intents(f"event {fact.event_id}, product {chosen.product}", intents)
    for shard, reason in reasons:
        typer.echo(f"shard {shard}: {reason}: {show.words(reason)}", err=True)
    if not intents and not reasons:
        typer.echo("no orders: nobody follows in this shard, or the book holds nothing to close", err=True)


@app.command("journal")
@refusing()
def show_journal(
    event_id: Annotated[str, typer.Argument(help="32 hex digits, as `spider decode` and the logs tell it.")],
    as_json: AsJson = False,
) -> None:
    """Show what became of one event, from the Trading table that SPIDER_* variables name."""
    from services.cli import journal  # noqa: PLC0415 brings boto3 with it
    from services.cli.reaching import read_settings  # noqa: PLC0415 the same

    if not re.fullmatch("[0-9a-f]{32}", event_id):
        raise Refusal(f"EVENT_ID: {event_id!r} is not 32 hex digits; `spider decode` prints ids of events")
    chosen = read_settings(os.environ)
    rows = journal.read_journal(chosen, EventId(event_id))
    if not rows:
        typer.echo(f"{event_id}: no row in table {chosen.names_prefix}trading: never planned there", err=True)
        raise typer.Exit(1)
    if as_json:
        show.print_json(*rows)
        return
    for row in rows:
        show.print_row(row)


@app.command("venues")
def show_venues(
    cards: Annotated[bool, typer.Option("--cards", help="The acceptance cards that hold at each.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="All tables, as in docs/venues.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the venues can do and within which limits. Asks no venue."""
    from services.cli import venues  # noqa: PLC0415 brings ccxt with it

    if markdown:
        typer.echo(venues.markdown(), nl=False)
    elif as_json:
        show.print_json(*(CARDS if cards else [venues.capabilities()]))
    else:
        for table in venues.card_tables() if cards else venues.venue_tables():
            show.print_table(*table)


@app.command("settings")
@refusing()
def show_settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As in docs/settings.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the variables that the services read their settings from. Reads none."""
    from services.cli import documents  # noqa: PLC0415 nobody else waits for it

    if markdown:
        typer.echo(documents.settings_markdown(), nl=False)
    elif as_json:
        show.print_json({title: documents.fields(form) for title, form in documents.SERVICES.items()})
    else:
        for each in documents.setting_tables():
            show.print_table(each.title, each.columns, each.rows)


@app.command("reasons")
@refusing()
def show_reasons(
    markdown: Annotated[bool, typer.Option("--markdown", help="As in docs/reasons.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show why copies are skipped or denied, and why positions drift. Asks no table."""
    from services.cli import documents  # noqa: PLC0415 nobody else waits for it

    if markdown:
        typer.echo(documents.reasons_markdown(), nl=False)
    elif as_json:
        show.print_json(
            *(
                {"about": about, "code": each, "meaning": words}
                for about, told in (("copy", WORDS), ("drift", DRIFT_WORDS))
                for each, words in told.items()
            )
        )
    else:
        for each in documents.reason_tables():
            show.print_table(each.title, each.columns, each.rows)


@app.command("metrics")
@refusing()
def show_metrics(
    markdown: Annotated[bool, typer.Option("--markdown", help="As in docs/metrics.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the services measure, and what of AWS's is read beside it. Asks nobody."""
    from services.cli import documents  # noqa: PLC0415 nobody else waits for it
    from spider_common.telemetry.registry import AWS_METRICS, METRICS  # noqa: PLC0415 the same

    if markdown:
        typer.echo(documents.metrics_markdown(), nl=False)
    elif as_json:
        show.print_json(
            *({"kind": each.kind, **msgspec.to_builtins(each)} for each in METRICS),
            *({"kind": "of AWS", **msgspec.to_builtins(each)} for each in AWS_METRICS),
        )
    else:
        for each in documents.metric_tables():
            show.print_table(each.title, each.columns, each.rows)


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")],
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run the whole system in one process on simulated time, once for each seed."""
    from services.local.seeds import simulate_seeds  # noqa: PLC0415 brings the whole system with it

    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        code = simulate_seeds(first, seeds)
    if as_json:
        show.print_json({"first": first, "seeds": seeds, "passed": code == 0})
    raise typer.Exit(code)


def main() -> None:
    """The entry point."""
    app()
