"""What the venues can do and how much of it, and what is held against each of them: for people.

The same tables stand in docs/venues.md, between the two marks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from spider_common.budgets.fair import Budgets
from spider_common.clock import SystemClock
from spider_common.domain.identifiers import Venue
from spider_common.network import SystemNetwork
from spider_common.sdk.http import TrioTransport
from spider_common.venues.cards import CARDS
from spider_common.venues.clients import Address, open_clients
from spider_common.venues.venue import Capabilities

BEGIN: Final = "<!-- from here to the end: spider venues --markdown -->"
_AMENDS: Final = {"amend": "keeps the order", "replace": "makes a new order of it"}

Table = tuple[str, Sequence[str], list[Sequence[str]]]
"""A title, column names, rows."""


def capabilities() -> Mapping[Venue, Capabilities]:
    """What each venue's client says of itself; nothing is asked of a venue."""
    clock = SystemClock()
    nowhere = Address("https://unused.invalid", "wss://unused.invalid")
    clients = open_clients(
        dict.fromkeys(Venue, nowhere),
        http=TrioTransport(network=SystemNetwork()),
        clock=clock,
        budgets=lambda _: Budgets(clock),
    )
    return {venue: client.capabilities for venue, client in clients.items()}


def venue_tables() -> list[Table]:
    """Capabilities side by side, then each venue's limits."""
    told = capabilities()
    names: dict[str, Callable[[Capabilities], str]] = {
        "amendment": lambda each: _AMENDS[each.amends],
        "a fired order names its conditional one": lambda each: "yes" if each.names_parent else "no",
        "a fired order of ours has our id": lambda each: "yes" if each.fires_by_name else "no",
        "a late request is refused by": lambda each: each.expiry,
        "orders a request": lambda each: str(each.batch_orders),
        "hedge mode": lambda each: "yes" if each.hedge_mode else "no",
    }
    side_by_side = [[name, *(say(each) for each in told.values())] for name, say in names.items()]
    limits = [[venue, what, rate] for venue, each in told.items() for what, rate in each.limits.items()]
    return [
        ("Capabilities", ["", *told], list(side_by_side)),
        ("Limits", ["venue", "requests", "at the most"], list(limits)),
    ]


def card_tables() -> list[Table]:
    """The acceptance cards, group by group."""
    return [
        (f"Cards: {group}", ["card", "what holds at every venue"], [[card.name, card.text] for card in cards])
        for group, cards in groupby(CARDS, key=lambda card: card.group)
    ]


def markdown() -> str:
    """The generated part of docs/venues.md."""
    return "\n\n".join((BEGIN, *map(_markdown, [*venue_tables(), *card_tables()]))) + "\n"


def _markdown(table: Table) -> str:
    title, columns, rows = table
    lines = [_row(columns), _row(["---"] * len(columns)), *map(_row, rows)]
    return f"## {title}\n\n" + "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
