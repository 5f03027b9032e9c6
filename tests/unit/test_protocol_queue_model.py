"""A client's queue holds over every interleaving of two events, and each of its rules is needed."""

from collections.abc import Iterable

import msgspec
import pytest

from spider_common.domain import journal, planning
from spider_common.domain.intents import Action, Event, Intent
from spider_common.domain.journal import JournalRow, Lease, Timing
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import Book, Waiting
from tests.models.exploring import Finding
from tests.models.parts import PAST, Rules, Script
from tests.models.scripts import (
    AMEND_TWICE,
    BUY_AND_SELL,
    MOVE_AND_CANCEL,
    PLACE_AND_AMEND,
    PLACE_AND_CANCEL,
    REPLACE_AND_CANCEL,
    REPLACE_TWICE,
    TWO_FOLLOWERS,
)
from tests.models.two_events import TwoEvents, explore

OVERSOLD = "sells what was not bought"
STUCK = "no end can be reached"


def _expiry_beyond_the_lease(lease: Lease, now: int, timing: Timing) -> int | None:
    return None if journal.request_expiry(lease, now, timing) is None else now - 10 * PAST


def _miss_without_visibility(intent: Intent, asked: int, timing: Timing) -> Intent:
    return journal.miss(intent, asked, msgspec.structs.replace(timing, visibility=1))


def _take_over_at_once(row: JournalRow, owner: str, now: int, timing: Timing) -> JournalRow:
    """As if the old owner could not send any more from that moment on."""
    ended = msgspec.structs.replace(row, lease=msgspec.structs.replace(row.lease, ends=PAST))
    return journal.take_over(ended, owner, now, timing)


def _take_over_without_doubt(row: JournalRow, owner: str, now: int, timing: Timing) -> JournalRow:
    taken = journal.take_over(row, owner, now, timing)
    planned = {
        intent.client_order_id: msgspec.structs.replace(intent, state=CopyState.PLANNED, doubt=None)
        for intent in taken.unfinished
        if intent.state is CopyState.IN_DOUBT
    }
    return taken.with_intents(planned)


def _take_over_and_doubt_the_held(row: JournalRow, owner: str, now: int, timing: Timing) -> JournalRow:
    """As if a held order might have been sent."""
    held = [intent for intent in row.unfinished if intent.state is CopyState.HELD]
    released = {intent.client_order_id: journal.release(intent) for intent in held}
    return journal.take_over(row.with_intents(released), owner, now, timing)


def _always(*_: object) -> bool:
    return True


def _queue_up_nothing(intents: Iterable[Intent], book: Book, event: Event) -> tuple[tuple[Intent, ...], Book]:
    return tuple(intents), book


def _settle_without_ends(book: Book, event: str, before: Intent, after: Intent) -> Book:
    """An order stays in the queue when it has its outcome."""
    return book if after.state.is_submitted else journal.settle(book, event, before, after)


def _queue_up_together(
    intents: Iterable[Intent], book: Book, event: Event
) -> tuple[tuple[Intent, ...], Book]:
    """Everybody is held while anybody waits."""
    if not book.waiting:
        return planning.queue_up(intents, book, event)
    held = tuple(journal.hold(intent) for intent in intents)
    for intent in held:
        entry = Waiting(intent.client_order_id, event.event_id, intent.counts)
        book = book.with_waiting(intent.client, (*book.waiting.get(intent.client, ()), entry))
    return held, book


def _may_release_behind_alice(book: Book, intent: Intent) -> bool:
    return journal.may_release(book, intent) and (intent.client == "alice" or "alice" not in book.waiting)


def _show(found: Finding) -> None:
    print(found)  # noqa: T201  # pytest keeps it, and shows it with -rP


SCRIPTS = {
    "buy-and-sell": BUY_AND_SELL,
    "place-and-amend": PLACE_AND_AMEND,
    "place-and-cancel": PLACE_AND_CANCEL,
    "amend-twice": AMEND_TWICE,
    "replace-twice": REPLACE_TWICE,
    "replace-and-cancel": REPLACE_AND_CANCEL,
    "move-and-cancel": MOVE_AND_CANCEL,
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_no_interleaving_doubles_loses_or_overtakes(script: Script) -> None:
    """Law: no order twice; none before the one that it depends on; what has an outcome agrees with the venue,
    and stays so; the last change of an order wins; and from every state all orders can come to an end."""
    model = TwoEvents(script)
    graph = model.graph(keeps_moves=True)
    found = graph.find(model.law)
    assert not found.broken, str(found)
    assert found.states > 5_000, "the model has lost most of its moves"

    stuck = graph.stuck(model.is_over, _always)
    assert not stuck.broken, str(stuck)


def test_nobody_else_waits_for_a_doubt() -> None:
    """Law: while alice's venue says nothing at all, and whoever dies, all of bob's orders can come to their
    end; and so can alice's once it speaks."""
    model = TwoEvents(TWO_FOLLOWERS)
    graph = model.graph(keeps_moves=True)
    found = graph.find(model.law)
    assert not found.broken, str(found)

    for client, may in {"bob": _without_alices_venue, "alice": _always}.items():
        stuck = graph.stuck(lambda state, who=client: model.is_over(state, who), may)
        assert not stuck.broken, str(stuck)


def _without_alices_venue(what: str) -> bool:
    return "alice's venue" not in what


@pytest.mark.parametrize(
    ("script", "rules", "broken"),
    [
        pytest.param(*case, id=name)
        for name, case in {
            "venue-expiry": (BUY_AND_SELL, Rules(venue_takes=_always), "doubled"),
            "fence": (BUY_AND_SELL, Rules(fence=False), "doubled"),
            "visibility": (BUY_AND_SELL, Rules(miss=_miss_without_visibility), "doubled"),
            "expiry-inside-lease": (BUY_AND_SELL, Rules(request_expiry=_expiry_beyond_the_lease), "doubled"),
            "takeover-wait": (
                BUY_AND_SELL,
                Rules(can_take_over=_always, take_over=_take_over_at_once),
                "doubled",
            ),
            "takeover-doubts": (BUY_AND_SELL, Rules(take_over=_take_over_without_doubt), "doubled"),
            "release-before-send": (BUY_AND_SELL, Rules(release_is_written=False), "doubled"),
            "only-cancels-again": (BUY_AND_SELL, Rules(sent_again=frozenset(Action)), "doubled"),
            "amendments-not-again": (
                AMEND_TWICE,
                Rules(sent_again=frozenset(Action)),
                "has changed the order",
            ),
            "held-is-unsent": (BUY_AND_SELL, Rules(take_over=_take_over_and_doubt_the_held), OVERSOLD),
            "held-behind-doubt": (BUY_AND_SELL, Rules(queue_up=_queue_up_nothing), OVERSOLD),
            "amendment-held": (PLACE_AND_AMEND, Rules(queue_up=_queue_up_nothing), "that it is about"),
            "cancel-held": (PLACE_AND_CANCEL, Rules(queue_up=_queue_up_nothing), "the order is not"),
            "released-in-turn": (PLACE_AND_CANCEL, Rules(may_release=_always), "the order is not"),
            "message-order": (BUY_AND_SELL, Rules(message_order=False), OVERSOLD),
            "newest-book": (BUY_AND_SELL, Rules(newest_book=False), OVERSOLD),
            "book-with-row": (BUY_AND_SELL, Rules(settle=lambda book, *_: book), OVERSOLD),
            "covered": (BUY_AND_SELL, Rules(cover=lambda book, sale, listed: sale), OVERSOLD),
            "amendment-done": (AMEND_TWICE, Rules(is_done=_always), "the order is another"),
            "place-free": (MOVE_AND_CANCEL, Rules(is_free=_always), "what it is in the place of"),
            "found-in-time": (
                MOVE_AND_CANCEL,
                Rules(found=lambda intent, fact: journal.accept(intent, None)),
                "what it is in the place of",
            ),
            "who-cancelled": (MOVE_AND_CANCEL, Rules(asks_who_cancelled=False), "was taken back"),
            "cursor-told": (
                PLACE_AND_CANCEL,
                Rules(finish=lambda cursor, book, *_: (cursor, book)),
                "came to None",
            ),
        }.items()
    ],
)
def test_each_rule_is_needed(script: Script, rules: Rules, broken: str) -> None:
    """With one rule taken away there is a way to break the law; the shortest one is printed with -rP."""
    found = explore(script, rules, broken)
    _show(found)

    assert found.broken.endswith(broken)
    assert found.path


@pytest.mark.parametrize(
    ("script", "rules"),
    [
        pytest.param(PLACE_AND_CANCEL, Rules(settle=_settle_without_ends), id="outcome-leaves-queue"),
        pytest.param(BUY_AND_SELL, Rules(can_take_over=lambda *_: False), id="takeover"),
    ],
)
def test_an_order_is_lost_without(script: Script, rules: Rules) -> None:
    """With one rule taken away there is a state from which some order never comes to its end."""
    model = TwoEvents(script, rules)
    graph = model.graph(keeps_moves=True)
    graph.find(lambda _: "")
    found = graph.stuck(model.is_over, _always)
    _show(found)

    assert found.broken == STUCK


def test_one_queue_for_all_makes_bob_wait() -> None:
    """The queues are by client: with one for all, bob's orders cannot end while alice's venue is silent."""
    (buy, bobs), (sale, _) = TWO_FOLLOWERS.rows
    script = TWO_FOLLOWERS._replace(rows=((buy,), (sale, bobs)))
    model = TwoEvents(script, Rules(queue_up=_queue_up_together, may_release=_may_release_behind_alice))
    graph = model.graph(keeps_moves=True)
    graph.find(lambda _: "")
    found = graph.stuck(lambda state: model.is_over(state, "bob"), _without_alices_venue)
    _show(found)

    assert found.broken == STUCK
