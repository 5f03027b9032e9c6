"""Results on stdout: JSON lines, or tables for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import typer

from spider_common.domain.intents import Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.quantities import canonical
from spider_common.domain.reasons import WORDS

_S: Final = 1_000_000_000
_MS: Final = 1_000_000
_UNBOUNDED: Final = 10_000  # columns where no terminal bounds a table: each row is one line
_WORDS: Final = {str(reason): words for reason, words in WORDS.items()}
_encoder = msgspec.json.Encoder(decimal_format="string")


def print_json(*values: object) -> None:
    """One line each."""
    for value in values:
        typer.echo(_encoder.encode(value))


def print_intents(title: str, intents: Iterable[tuple[int, Intent]]) -> None:
    """What a plan wants, each with its shard."""
    print_table(
        title,
        ("shard", "client", "account", "symbol", "leg", "side", "quantity", "size", "state", "reason"),
        (
            (
                str(shard),
                intent.client,
                intent.account.account,
                intent.symbol,
                intent.leg,
                intent.side,
                canonical(intent.quantity),
                canonical(intent.size),
                intent.state,
                words(intent.reason),
            )
            for shard, intent in intents
        ),
    )


def print_row(row: JournalRow) -> None:
    """What became of an event in one shard."""
    event, lease = row.event, row.lease
    print_table(
        f"product {event.product}, shard {event.shard} of {event.shards}: "
        f"owner {lease.owner}, fence {lease.fence}, lease until {moment(lease.ends)}",
        (
            "client",
            "symbol",
            "side",
            "quantity",
            "state",
            "reason",
            "doubt",
            "sent after, ms",
            "answer after, ms",
            "client order id",
        ),
        (
            (
                intent.client,
                intent.symbol,
                intent.side,
                canonical(intent.quantity),
                intent.state,
                words(intent.reason),
                _doubt(intent),
                _elapsed(event.ts_seen, intent.ts_sent),
                _elapsed(intent.ts_sent, intent.ts_answered),
                intent.client_order_id,
            )
            for intent in row.intents
        ),
    )


def words(reason: str) -> str:
    """A reason for people; a venue's own words are already such."""
    return _WORDS.get(reason, reason)


def _doubt(intent: Intent) -> str:
    doubt = intent.doubt
    return "" if doubt is None else f"{doubt.why}; since {moment(doubt.since)}, missed {doubt.misses} times"


def _elapsed(start: int, end: int) -> str:
    return f"{(end - start) / _MS:.1f}" if start and end else ""


def moment(ts: int) -> str:
    """Unix ns as UTC in milliseconds."""
    whole = datetime.fromtimestamp(ts // _S, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ts % _S // _MS:03d}Z"


def age(ns: int) -> str:
    """How long something has been there, in its two largest units."""
    seconds = max(ns, 0) // _S
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2])


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for a terminal."""
    from rich.console import Console  # noqa: PLC0415 tables only: with --json nobody waits for it
    from rich.table import Table  # noqa: PLC0415 as above
    from rich.text import Text  # noqa: PLC0415 as above

    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # text as it is: a venue's words are no markup
    console = Console()
    if not console.is_terminal:
        console.width = _UNBOUNDED
    console.print(Text(title))
    console.print(table)
