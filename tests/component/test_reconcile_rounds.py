"""Laws of the reconciler's rounds over a table that fails: what it keeps, what it asks for, and how often."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from services.oms.desk import DeskOrders
from services.oms.reconcile import Pace, Reconciler
from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.drift import DriftReason
from spider_common.domain.held import AccountPositions, Held
from spider_common.domain.identifiers import ClientId, ClientOrderId, EventId
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import DeskEvent
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book, Part, Waiting, part_key
from spider_common.domain.products import Correction
from spider_common.messages import DeskOrder, PositionUpdate, decode
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.positions import PositionStore, held_entry
from spider_common.stores.table import Ambiguous, Conflict, Put, Row, Unavailable
from tests.oms_rig import PRODUCT, SYMBOL, Rig, Worker
from tests.scripted import FailingQueue, Trouble

NET = PositionSide.NET
ALICE = ClientId("alice")


class Desk:
    """Alice, who copies one for one, and a reconciler."""

    def __init__(self, rig: Rig, worker: Worker) -> None:
        self.rig, self.worker, self.begun = rig, worker, rig.clock.now()
        self.store = PositionStore(rig.table)
        self.queue = MemoryQueue(schema.COPY, rig.clock)
        self.reconciler = self.another("one")

    def another(self, owner: str, queue: object | None = None) -> Reconciler:
        rig = self.rig
        return Reconciler(
            owner=owner,
            clock=rig.clock,
            reference=self.worker.reference,
            trading=rig.trading,
            positions=self.store,
            told=self.worker.executions,
            desk=DeskOrders(queue or self.queue, rig.clock, rig.log),  # type: ignore[arg-type]  # it only sends
            meter=rig.meter,
            log=rig.log,
            pace=Pace(),
        )

    async def books(self, planned: str, *, waits: bool = False) -> None:
        """What the shard's book says."""
        part = Part(planned=Decimal(planned), target=Decimal(planned))
        order = Waiting(ClientOrderId("1"), EventId("1"))
        book = Book(
            leader={NET: Decimal(planned)},
            parts={part_key(ALICE, NET): part},
            waiting={ALICE: (order,)} if waits else {},
        )
        key = schema.book_key(PRODUCT, 0, SYMBOL)
        stored = await self.rig.trading.book(PRODUCT, 0, SYMBOL)
        row = Row(pk=key.pk, sk=key.sk, doc=msgspec.json.encode(book).decode(), version=stored.version)
        await self.rig.table.write(Put(row))

    async def holds(self, quantity: str, *, after_s: int = 0) -> None:
        """What a sweep of every account told, so long after the beginning; the leader holds what is known."""
        account = self.rig.product.subscriptions[0].account
        asked = self.begun + after_s * NS_PER_S
        book = (await self.rig.trading.book(PRODUCT, 0, SYMBOL)).value
        for each, held in ((account, Decimal(quantity)), (self.rig.product.leader, book.leader[NET])):
            stored = await self.store.positions(each.venue, each.account)
            told = AccountPositions(
                positions={SYMBOL: {NET: Held(ts=asked, quantity=held)}},
                whole={InstrumentKind.SWAP: asked},
            )
            entry = held_entry(each.venue, each.account, told)
            await self.rig.table.write(Put(entry.row(stored.version)))

    async def believed(self, quantity: str) -> None:
        """Looks until it believes what alice holds."""
        await self.holds(quantity)
        await self.reconciler.look()
        await self.holds(quantity, after_s=60)

    async def reasons(self) -> list[DriftReason]:
        return [each.value.reason for each in (await self.store.drifts(PRODUCT)).values()]

    async def asked(self) -> list[DeskEvent]:
        """All that is in the queue, taken and deleted."""
        found = []
        while deliveries := await self.queue.receive(wait_s=0):
            for each in deliveries:
                message = decode(each.body)
                assert isinstance(message, DeskOrder)
                found.append(message.event)
            await self.queue.delete([each.receipt for each in deliveries])
        return found


@pytest.fixture
async def desk(autojump_clock: MockClock) -> Desk:
    rig = Rig("alice")
    corrected = replace(rig.product.subscriptions[0], correction=Correction.CORRECT)
    rig.product = replace(rig.product, subscriptions=(corrected,))
    made = Desk(rig, await rig.worker())
    await made.books("1")
    return made


async def test_one_order_is_asked_for_by_any_number_of_services(desk: Desk) -> None:
    """Law: looking again, or elsewhere, asks for the same event and changes nothing."""
    await desk.believed("3")
    for owner in ("one", "two", "three"):
        await desk.another(owner).look()
    events = {each.event_id: each for each in await desk.asked()}
    (event,) = events.values()
    assert (event.quantity, event.reduces) == (-2, True)
    assert await desk.reasons() == [DriftReason.MANUAL_TRADE]


async def test_an_order_that_was_lost_on_its_way_is_sent_again(desk: Desk) -> None:
    """Law: written as asked for, it is asked for until it is in the journal; then not again."""
    await desk.believed("3")
    desk.rig.table.trouble_writes(Trouble(Ambiguous("lost"), touching="drift", effect=True))
    with pytest.raises(Ambiguous):
        await desk.reconciler.look()
    assert await desk.asked() == []
    await desk.reconciler.look()
    (event,) = await desk.asked()
    await desk.worker.copier.handle(event, desk.rig.clock.now())
    await desk.reconciler.look()
    assert await desk.asked() == []
    await desk.holds("3", after_s=120)
    await desk.reconciler.look()
    assert await desk.asked() == []


async def test_a_client_with_an_order_in_doubt_is_left_alone(desk: Desk) -> None:
    """Law: nothing is asked for while something of the client waits, and afterwards only when a new fact
    has shown the difference for a grace time."""
    await desk.believed("3")
    await desk.books("1", waits=True)
    await desk.reconciler.look()
    assert await desk.reasons() == [DriftReason.IN_DOUBT]
    await desk.books("1")
    await desk.holds("3", after_s=10)
    await desk.reconciler.look()
    assert await desk.asked() == []
    await desk.holds("3", after_s=120)
    await desk.reconciler.look()
    assert len(await desk.asked()) == 1


async def test_a_question_without_an_answer_changes_nothing(desk: Desk) -> None:
    """Law: a round whose reading fails writes nothing and asks for nothing, whichever question it is."""
    await desk.believed("3")
    before = await desk.store.drifts(PRODUCT)
    for touching in ("shard", "drift", "held", "orders"):
        desk.rig.table.trouble_queries(Trouble(Unavailable("no answer"), touching=touching))
        with pytest.raises(Unavailable):
            await desk.reconciler.look()
        assert await desk.store.drifts(PRODUCT) == before
        assert await desk.asked() == []


async def test_of_two_who_look_one_writes(desk: Desk) -> None:
    """Law: who finds that another has written meanwhile asks for nothing."""
    await desk.believed("3")
    (key,) = await desk.store.drifts(PRODUCT)
    desk.rig.table.trouble_writes(Trouble(Conflict([schema.drift_key(*key)]), touching="drift"))
    await desk.reconciler.look()
    assert await desk.asked() == []
    await desk.reconciler.look()
    assert len(await desk.asked()) == 1


async def test_a_queue_that_is_away_is_waited_for(desk: Desk) -> None:
    """Law: what is asked for is in the queue before the round goes on."""
    await desk.believed("3")
    await desk.another("one", FailingQueue(desk.queue, 2, 0)).look()
    assert len(await desk.asked()) == 1


async def test_it_is_one_services_turn(desk: Desk) -> None:
    """Law: a turn is held as long as its holder looks, and goes to another when it does not."""
    now = desk.rig.clock.now()
    assert await desk.store.take_turn("one", now, now + 60)
    assert not await desk.store.take_turn("two", now + 59, now + 119)
    assert await desk.store.take_turn("one", now + 59, now + 119)
    assert await desk.store.take_turn("two", now + 119, now + 180)


async def test_what_accounts_hold_is_kept_whoever_tells(desk: Desk) -> None:
    """Law: a word that another service has kept meanwhile, or a table that is away, loses none."""
    account = desk.rig.product.subscriptions[0].account
    update = PositionUpdate(
        venue=account.venue, account=account.account, positions=(), whole=(InstrumentKind.SWAP,), asked=7
    )
    desk.rig.table.trouble_writes(Trouble(Conflict([])), Trouble(Ambiguous("lost"), effect=True))
    desk.rig.table.trouble_reads(Trouble(Unavailable("no answer")))
    await desk.rig.told(update)
    assert (await desk.store.positions(account.venue, account.account)).value.swept == 7
