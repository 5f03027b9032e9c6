"""The copy protocol holds over every interleaving, and each of its rules is needed."""

import msgspec
import pytest

from spider_common.domain import journal
from spider_common.domain.intents import Intent
from spider_common.domain.journal import JournalRow, Lease, Timing
from spider_common.domain.orders import CopyState
from tests.models.one_order import HORIZON, Rules, doubled, explore


def _expiry_beyond_the_lease(lease: Lease, now: int, timing: Timing) -> int | None:
    return None if journal.request_expiry(lease, now, timing) is None else now + HORIZON


def _miss_without_visibility(intent: Intent, asked: int, timing: Timing) -> Intent:
    return journal.miss(intent, asked, msgspec.structs.replace(timing, visibility=1))


def _miss_without_expiry(intent: Intent, asked: int, timing: Timing) -> Intent:
    """Counts from the beginning of time, as if "not found" always meant that there is nothing."""
    assert intent.doubt is not None
    early = msgspec.structs.replace(intent, doubt=msgspec.structs.replace(intent.doubt, expires=-HORIZON))
    missed = journal.miss(early, asked, timing)
    if missed.doubt is None:
        return missed
    doubt = msgspec.structs.replace(missed.doubt, expires=intent.doubt.expires)
    return msgspec.structs.replace(missed, doubt=doubt)


def _takes_all(*_: object) -> bool:
    return True


def _take_over_without_doubt(row: JournalRow, owner: str, now: int, timing: Timing) -> JournalRow:
    taken = journal.take_over(row, owner, now, timing)
    (intent,) = taken.intents
    planned = msgspec.structs.replace(intent, state=CopyState.PLANNED, doubt=None)
    return msgspec.structs.replace(taken, intents=(planned,))


def test_no_interleaving_doubles_or_loses_the_order() -> None:
    """In no state are there two orders, an "accepted" without one, or one that was dropped as absent."""
    found = explore(Rules())

    assert not found.broken, "\n".join((found.broken, *found.path))
    assert found.states > 1_000_000, "the model has lost most of its moves"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(Rules(venue_takes=_takes_all), id="venue-expiry"),
        pytest.param(Rules(store_takes=_takes_all), id="fence"),
        pytest.param(Rules(miss=_miss_without_visibility), id="visibility"),
        pytest.param(Rules(request_expiry=_expiry_beyond_the_lease), id="expiry-inside-lease"),
        pytest.param(Rules(miss=_miss_without_expiry), id="miss-after-expiry"),
        pytest.param(Rules(take_over=_take_over_without_doubt), id="takeover-makes-doubts"),
    ],
)
def test_each_rule_is_needed(rules: Rules) -> None:
    """With one rule taken away there is a way to a doubled order, so the model would see its loss."""
    found = explore(rules, law=doubled)

    assert found.broken == "doubled"
    assert sum("accepted" in what and "visible" in what for what in found.path) == 2
