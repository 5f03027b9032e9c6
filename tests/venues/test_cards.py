"""The acceptance cards on every venue."""

import pytest
from trio.testing import MockClock

from spider_common.venues.cards import CARDS, Card
from tests.venues import (
    account_cards,
    doubt_cards,
    limit_cards,
    order_cards,
    session_cards,
    spot_cards,
    sweep_cards,
)
from tests.venues.bench import DIALECTS, Dialect, open_bench
from tests.venues.cards import AHEAD, CHECKS

CASES = [
    pytest.param(traded, card, id=f"{dialect.venue}-{card.name}")
    for dialect in DIALECTS
    for card in CARDS
    for traded in [dialect._replace(symbol=dialect.spot) if card.group == "spot" else dialect]
    if traded.symbol
]


@pytest.mark.parametrize(("dialect", "card"), CASES)
async def test_card(autojump_clock: MockClock, dialect: Dialect, card: Card) -> None:
    """What the card says holds at the venue."""
    for ahead in AHEAD.get(card.name, (0,)):
        async with open_bench(dialect, venue_ahead_s=ahead) as bench:
            await CHECKS[card.name](bench)


CHECKED = (session_cards, order_cards, doubt_cards, sweep_cards, limit_cards, account_cards, spot_cards)
"""Importing them registers their checks."""


def test_every_card_has_its_check() -> None:
    """The printed list and what is checked are the same, and a name stands for one card."""
    names = [card.name for card in CARDS]
    assert sorted(names) == sorted(CHECKS)
    assert len(CHECKED) == len({card.group for card in CARDS})
    assert len(names) == len(set(names)) >= 40
