"""How acceptance cards are held against a venue: each by a law over a `Bench`, whichever venue it is of.

``@card(name)`` registers a check of ``*_cards.py``; names and texts are in `spider_common.venues.cards`.
"""

from collections.abc import Awaitable, Callable

from spider_common.venues.outcomes import (
    Accepted,
    Found,
    Outcome,
)
from tests.venues.bench import Bench

Check = Callable[[Bench], Awaitable[None]]
CHECKS: dict[str, Check] = {}
AHEAD: dict[str, tuple[float, ...]] = {"doubt.expiry_by_the_venues_clock": (0, 8, -8)}
"""By how much the venue's clock is ahead of ours (s), for the cards that are about it."""


def card(name: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        assert name not in CHECKS, name
        CHECKS[name] = check
        return check

    return register


def found(lookup: object) -> Found:
    assert isinstance(lookup, Found), lookup
    return lookup


def accepted(outcome: Outcome) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    return outcome
