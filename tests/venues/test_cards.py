"""The acceptance cards on every venue."""

import pytest
from trio.testing import MockClock

from spider_common.venues.cards import CARDS, Card
from tests.venues.bench import DIALECTS, Dialect, open_bench
from tests.venues.cards import AHEAD, CHECKS


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)
async def test_card(autojump_clock: MockClock, dialect: Dialect, card: Card) -> None:
    """What the card says holds at the venue."""
    for ahead in AHEAD.get(card.name, (0,)):
        async with open_bench(dialect, venue_ahead_s=ahead) as bench:
            await CHECKS[card.name](bench)


def test_every_card_has_its_check() -> None:
    """The printed list and what is checked are the same, and a name stands for one card."""
    names = [card.name for card in CARDS]
    assert sorted(names) == sorted(CHECKS)
    assert len(names) == len(set(names)) >= 40
