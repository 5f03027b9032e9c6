"""Laws of sending: durable first, inside the lease, never twice, and a doubt stays a doubt."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
import trio

from services.oms.intake import Handled, Later
from services.oms.record import Fenced
from services.oms.submit import TRIES
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId
from spider_common.domain.journal import Timing, request_expiry
from spider_common.domain.orders import CopyState, Side
from spider_common.domain.reasons import Reason
from spider_common.stores.secrets import MemorySecrets, SecretsUnavailable
from spider_common.stores.table import Ambiguous, Busy, Unavailable
from tests.oms_rig import KEY, Rig
from tests.scripted import Reply, Trouble


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders wait for their rate budget as long as it takes, so that time passes before they are sent."""
    monkeypatch.setattr("services.oms.copying.PATIENCE_S", math.inf)


async def test_journal_before_wire(autojump_clock: trio.testing.MockClock) -> None:
    """The row with its intents, the cursor and the book are written before the venue gets any request."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    assert await worker.copier.handle(rig.event(), rig.clock.now()) == Handled()
    written = rig.timeline.index("write book, cursor, journal")
    requests = [at for at, entry in enumerate(rig.timeline) if entry.startswith("request")]
    assert len(requests) == 2
    assert written < min(requests)


async def test_nothing_is_sent_when_the_plan_is_not_written(autojump_clock: trio.testing.MockClock) -> None:
    """While the table refuses, the event waits; then it is planned once."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.table.trouble_writes(Trouble(Busy("throttled"), "journal"), Trouble(Busy("throttled"), "journal"))
    await worker.copier.handle(rig.event(), rig.clock.now())
    assert rig.timeline[0] == "write book, cursor, journal"
    assert len(rig.venue.requests) == 1


async def test_accepted_orders_carry_the_venues_id(autojump_clock: trio.testing.MockClock) -> None:
    """The journal has, for each client, the id that its venue gave."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())
    for intent in (await rig.intents(event)).values():
        assert intent.state is CopyState.ACCEPTED
        assert intent.venue_order_id == rig.venue.orders[intent.client_order_id].venue_order_id
        assert intent.requests == 1


async def test_unknown_is_a_durable_doubt_and_others_go_on(autojump_clock: trio.testing.MockClock) -> None:
    """One client's lost reply is IN_DOUBT in the journal; the other client has its order."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    event = rig.event()
    assert await worker.copier.handle(event, rig.clock.now()) == Handled()
    intents = await rig.intents(event)
    assert intents["alice"].state is CopyState.IN_DOUBT
    assert intents["alice"].doubt is not None
    assert intents["alice"].doubt.expires == rig.venue.requests[0].expires
    assert intents["bob"].state is CopyState.ACCEPTED


async def test_later_legs_of_a_client_in_doubt_are_held(autojump_clock: trio.testing.MockClock) -> None:
    """A flip is two orders: with the close in doubt the open is not sent, and stands HELD in the journal."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    await worker.copier.handle(rig.event("1", order="1"), rig.clock.now())
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    flip = rig.event("3", order="2", side=Side.SELL)
    await worker.copier.handle(flip, rig.clock.now())
    row = await rig.row(flip)
    states = {(each.client, each.leg): each.state for each in row.intents}
    assert states == {
        ("alice", "close"): CopyState.IN_DOUBT,
        ("alice", "open"): CopyState.HELD,
        ("bob", "close"): CopyState.ACCEPTED,
        ("bob", "open"): CopyState.ACCEPTED,
    }
    held = next(each.client_order_id for each in row.intents if each.state is CopyState.HELD)
    assert held not in {request.order for request in rig.venue.requests}


async def test_the_next_event_of_a_client_in_doubt_is_held(autojump_clock: trio.testing.MockClock) -> None:
    """What is planned behind a doubt waits in the book's queue; other clients' orders do not."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    first, second = rig.event("1"), rig.event("2")
    await worker.copier.handle(first, rig.clock.now())
    await worker.copier.handle(second, rig.clock.now())
    intents = await rig.intents(second)
    assert (intents["alice"].state, intents["bob"].state) == (CopyState.HELD, CopyState.ACCEPTED)
    book = await rig.trading.book(rig.product.product, 0, second.fact.symbol)
    assert [each.client_order_id for each in book.value.waiting["alice"]] == [
        (await rig.intents(first))["alice"].client_order_id,
        intents["alice"].client_order_id,
    ]


async def test_every_request_expires_inside_the_lease(autojump_clock: trio.testing.MockClock) -> None:
    """The venue's expiry is within the window and at least the margin before the lease that was stored."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())
    (request,) = rig.venue.requests
    lease = (await rig.row(event)).lease
    assert request.at < request.expires <= request.at + rig.timing.window
    assert request.expires <= lease.ends - rig.timing.margin


async def test_a_lease_without_time_is_renewed_before_sending(
    patient: None, autojump_clock: trio.testing.MockClock
) -> None:
    """When the budget keeps a request until its lease has no time, the row is renewed, then sent."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event()
    rig.venue.busy_until = rig.clock.now() + rig.timing.lease - rig.timing.margin
    await worker.copier.handle(event, rig.clock.now())
    (request,) = rig.venue.requests
    lease = (await rig.row(event)).lease
    assert request.expires <= lease.ends - rig.timing.margin
    assert lease.fence == 1
    first = rig.timeline.index("write book, cursor, journal")
    assert rig.timeline.index("write journal") in range(first, rig.timeline.index(f"request {request.order}"))


async def test_a_lease_too_short_for_a_request_is_renewed_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """With more than half of a lease left but no room for a request, no pass is made in vain."""
    timing = Timing(lease=3_200 * 10**6, window=2_000 * 10**6, skew=500 * 10**6, visibility=3_000 * 10**6)
    rig = Rig("alice", timing=timing)
    worker = await rig.worker()
    stored = await worker.planned(rig.event())
    await trio.sleep(1.4)
    now = rig.clock.now()
    assert stored.value.lease.ends - now > timing.lease // 2
    assert request_expiry(stored.value.lease, now, timing) is None
    await worker.submitter.advance(stored)
    assert len(rig.venue.requests) == 1


@pytest.mark.parametrize(
    "troubles",
    [
        [Trouble(Ambiguous("no answer"), "journal", effect=True)],
        [Trouble(Ambiguous("no answer"), "journal")],
        [Trouble(Busy("throttled"), "journal")] * 3,
        [Trouble(Unavailable("gone"), "journal"), Trouble(Ambiguous("no answer"), "journal", effect=True)],
    ],
)
async def test_a_write_that_fails_after_sending_is_repeated(
    troubles: list[Trouble], autojump_clock: trio.testing.MockClock
) -> None:
    """The outcome is written until it stands, whether or not a failed write had its effect. Never re-sent."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event()
    stored = await worker.planned(event)
    rig.table.trouble_writes(*troubles)
    after = await worker.submitter.advance(stored)
    assert after.value == await rig.row(event)
    assert [each.state for each in after.value.intents] == [CopyState.ACCEPTED]
    assert len(rig.venue.requests) == 1


async def test_a_fenced_worker_stops(autojump_clock: trio.testing.MockClock) -> None:
    """Another owner has taken the row over: this one sends nothing more for it and says so."""
    rig = Rig("alice")
    worker, other = await rig.worker("one"), await rig.worker("two")
    event = rig.event()
    stored = await worker.planned(event)
    await trio.sleep((rig.timing.lease + rig.timing.takeover) / NS_PER_S)
    taken = await other.planned(event)
    with pytest.raises(Fenced):
        await worker.submitter.advance(stored)
    assert rig.venue.requests == []
    assert await rig.row(event) == taken.value


async def test_a_fenced_copy_gives_its_message_back(
    patient: None, autojump_clock: trio.testing.MockClock
) -> None:
    """The message stays for the owner that has the row now."""
    rig = Rig("alice")
    worker, other = await rig.worker("one"), await rig.worker("two")
    event = rig.event()
    # the first worker is kept by its budget until the second has taken over
    rig.venue.busy_until = rig.clock.now() + rig.timing.lease + rig.timing.takeover + NS_PER_S
    verdicts: list[object] = []

    async def copy() -> None:
        verdicts.append(await worker.copier.handle(event, rig.clock.now()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(copy)
        await trio.sleep((rig.timing.lease + rig.timing.takeover) / NS_PER_S)
        await other.planned(event)
    (verdict,) = verdicts
    assert isinstance(verdict, Later)
    assert rig.venue.requests == []


async def test_a_stale_opening_is_denied_and_a_reducing_order_goes(
    patient: None,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An opening that waited longer than the product allows is not sent; a close always is."""
    rig = Rig("alice", max_signal_age_ms=2_000)
    worker = await rig.worker()
    await worker.copier.handle(rig.event("1", order="1"), rig.clock.now())
    for order, side, state, reason in (
        ("2", Side.BUY, CopyState.DENIED, Reason.STALE_SIGNAL),
        ("3", Side.SELL, CopyState.ACCEPTED, ""),
    ):
        rig.venue.busy_until = rig.clock.now() + 3 * NS_PER_S
        event = rig.event("1", order=order, side=side)
        await worker.copier.handle(event, rig.clock.now())
        intent = (await rig.intents(event))["alice"]
        assert (intent.state, intent.reason) == (state, reason)
    assert len(rig.venue.requests) == 2


async def test_without_credentials_an_order_is_denied(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing is sent for a client without a key, and the others are not kept waiting."""
    rig = Rig("alice", "bob")
    rig.secrets = MemorySecrets({AccountId("bob-account"): KEY})
    worker = await rig.worker()
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())
    intents = await rig.intents(event)
    assert (intents["alice"].state, intents["alice"].reason) == (CopyState.DENIED, Reason.NO_CREDENTIALS)
    assert intents["bob"].state is CopyState.ACCEPTED
    book = await rig.trading.book(rig.product.product, 0, event.fact.symbol)
    assert book.value.part(intents["alice"].client, intents["alice"].leader_side).planned == 0


@dataclass
class Forgetful:
    """A secret store that gives no answer the first times."""

    failures: int

    async def credentials(self, account: AccountId) -> object:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise SecretsUnavailable(f"{account}: no answer")
        return KEY

    async def read_ahead(self, accounts: Iterable[AccountId]) -> None:
        """Fails, and says nothing of it."""


async def test_a_secret_store_without_an_answer_is_asked_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """No answer is not "no key": the order waits and is sent."""
    rig = Rig("alice")
    rig.secrets = Forgetful(3)  # type: ignore[assignment]  # the port, not its kin
    worker = await rig.worker()
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (Reply.REJECT, CopyState.REJECTED, "51008 not enough margin"),
        (Reply.REFUSE, CopyState.DENIED, Reason.INSTRUMENT_CHANGED),
    ],
)
async def test_a_refused_order_is_withdrawn_from_the_book(
    reply: Reply, state: CopyState, reason: str, autojump_clock: trio.testing.MockClock
) -> None:
    """A proven refusal ends the order with its reason, and its part is what it was before."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", reply)
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())
    intent = (await rig.intents(event))["alice"]
    assert (intent.state, intent.reason) == (state, reason)
    book = await rig.trading.book(rig.product.product, 0, event.fact.symbol)
    part = book.value.part(intent.client, intent.leader_side)
    assert (part.planned, part.target) == (0, 0)


@pytest.mark.parametrize("reply", [Reply.UNSENT, Reply.RATE_LIMIT])
async def test_what_surely_had_no_effect_is_sent_again(
    reply: Reply, autojump_clock: trio.testing.MockClock
) -> None:
    """A request that never left, or was not looked at, is repeated without a doubt between."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", reply, reply)
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())
    intent = (await rig.intents(event))["alice"]
    assert (intent.state, intent.requests) == (CopyState.ACCEPTED, 3)
    assert not intent.waited
    if reply is Reply.RATE_LIMIT:
        first, second, third = (request.at for request in rig.venue.requests)
        assert min(second - first, third - second) >= NS_PER_S


@pytest.mark.parametrize("reply", [Reply.UNSENT, Reply.RATE_LIMIT])
async def test_a_venue_that_takes_nothing_holds_up_nobody_else(
    reply: Reply, autojump_clock: trio.testing.MockClock
) -> None:
    """After some tries the resolver has the order, the message is done, and it is sent in the end, once."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    rig.venue.script("alice-account", *[reply] * TRIES)
    event = rig.event()
    async with worker.resolving():
        assert isinstance(await worker.copier.handle(event, rig.clock.now()), Handled)
        intents = await rig.intents(event)
        assert (intents["alice"].state, intents["bob"].state) == (CopyState.IN_DOUBT, CopyState.ACCEPTED)
        await trio.sleep(60)
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED
    assert (len(rig.venue.orders), rig.venue.doubled) == (2, [])


async def test_a_used_up_budget_holds_up_nobody_else(autojump_clock: trio.testing.MockClock) -> None:
    """Who has budget is sent at once; the other's orders are held durably and go in order, each once."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    rig.venue.busy["alice-account"] = rig.clock.now() + 5 * NS_PER_S
    first, second = rig.event("1"), rig.event("2")
    async with worker.resolving():
        begun = rig.clock.now()
        for event in (first, second):
            assert isinstance(await worker.copier.handle(event, rig.clock.now()), Handled)
        assert rig.clock.now() - begun < NS_PER_S
        assert (await rig.intents(second))["bob"].state is CopyState.ACCEPTED
        waiting = [(await rig.intents(each))["alice"].state for each in (first, second)]
        assert waiting == [CopyState.PLANNED, CopyState.HELD]  # the first one waits at the resolver
        await trio.sleep(10)
    assert [(await rig.intents(each))["alice"].state for each in (first, second)] == [CopyState.ACCEPTED] * 2
    sent = [request.order for request in rig.venue.requests if request.account == "alice-account"]
    assert sent == [(await rig.intents(each))["alice"].client_order_id for each in (first, second)]
    assert rig.venue.doubled == []
