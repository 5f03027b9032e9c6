"""Laws of dead letters: each has its reason, all are seen, none is lost or swallowed on its way back."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.oms.intake import Intake, Verdict
from spider_common import schema
from spider_common.clock import TrioClock, utc_day
from spider_common.domain.identifiers import ProductId
from spider_common.messages import LeaderOrder, Message, encode
from spider_common.stores.audit import Audit, AuditEntry, Author
from spider_common.stores.dead_letters import (
    HOLD_S,
    NO_REASON_FITS,
    TOO_OFTEN,
    Letter,
    Look,
    look,
)
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.queue import (
    DEDUPLICATION_S,
    MAX_BATCH_BYTES,
    Outgoing,
    QueueUnavailable,
    SendFailed,
    as_dead_letter,
)
from spider_common.stores.table import Busy
from spider_common.telemetry.logs import logger
from tests.oms_rig import ORIGIN, Rig

GROUP = "p#0"


class Desk:
    """The two queues and the audit."""

    def __init__(self) -> None:
        self.clock = TrioClock(ORIGIN)
        self.dead = MemoryQueue(schema.COPY_DLQ, self.clock)
        self.source = MemoryQueue(schema.COPY, self.clock, dead_letters=self.dead)
        self.audit = Audit(MemoryTable(schema.CONFIG, self.clock))
        self.by = Author(who="ana", from_where="desk-1", ts=self.clock.now())

    async def send(self, *names: str, group: str = GROUP) -> None:
        await self.source.send([Outgoing(group, name, f'"{name}"', {"trace": name}) for name in names])

    async def set_aside(self, reason: str = "why") -> None:
        """Everything that is in the queue, in its order."""
        while deliveries := await self.source.receive(wait_s=0):
            for delivery in deliveries:
                await self.source.dead_letter(delivery, reason)

    def look(self, *, dead: object = None, source: object = None) -> AbstractAsyncContextManager[Look]:
        return look(dead or self.dead, source or self.source, self.audit)  # type: ignore[arg-type]  # wrapped queues

    async def seen(self) -> list[str]:
        async with self.look() as held:
            return [letter.dedup for letter in held.letters]

    async def entries(self) -> list[AuditEntry]:
        return await self.audit.entries(utc_day(ORIGIN))


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[Rig]:
    """An order service's intake over the desk's queue, with what really handles leader events."""
    rig = Rig("alice")
    worker = await rig.worker()

    async def handle(message: Message, received: int) -> Verdict:
        assert isinstance(message, LeaderOrder)
        return await worker.copier.handle(message.event, received)

    log = logger("test", rig.clock, write=rig.lines.append)
    intake = Intake(queue=desk.source, handler=handle, clock=rig.clock, visibility_s=30, wait_s=1, log=log)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: intake.serve(stop=stop, task_status=task_status))
        yield rig
        stop.set()


def _leader_order(rig: Rig) -> str:
    return encode(LeaderOrder(event=rig.event()))


def _of_unknown_product(rig: Rig) -> str:
    return encode(LeaderOrder(event=msgspec.structs.replace(rig.event(), product=ProductId("x"))))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda rig: _leader_order(rig).replace('"symbol"', '"symbool"'), "message body: "),
        (lambda rig: _leader_order(rig).replace('"v":1', '"v":9'), "v: message version 9 is newer than 1"),
        (_of_unknown_product, "event.product: 'x' is not configured"),
        (lambda rig: encode(LeaderOrder(event=rig.event(symbol="DOGE"))), "fact.symbol: okx lists no 'DOGE'"),
    ],
    ids=["unreadable", "newer", "unknown product", "unknown instrument"],
)
async def test_poison_is_set_aside_with_its_reason(
    body: Callable[[Rig], str], reason: str, autojump_clock: MockClock
) -> None:
    """Whatever the service cannot handle as things are stands among the dead letters whole, and says why;
    what follows it in its group is copied."""
    desk = Desk()
    async with working(desk) as rig:
        poison = body(rig)
        await desk.source.send([Outgoing(GROUP, "bad", poison), Outgoing(GROUP, "good", _leader_order(rig))])
        await trio.sleep(1)
        assert len(rig.venue.requests) == 1
    async with desk.look() as held:
        (letter,) = held.letters
        assert (letter.group, letter.dedup, letter.body) == (GROUP, "bad", poison)
        assert letter.reason.startswith(reason)
    assert desk.source.bodies() == []


async def test_a_redriven_event_is_copied_once(autojump_clock: MockClock) -> None:
    """Set aside while its product was unknown, redriven when it is configured, and once more by somebody who
    died before he had deleted it: one order."""
    desk = Desk()
    async with working(desk) as rig:
        await desk.source.send([Outgoing(GROUP, "early", _of_unknown_product(rig))])
        await trio.sleep(1)
        await rig.config.put_product(msgspec.structs.replace(rig.product, product=ProductId("x")))
        await trio.sleep(10)  # the cache of products ends
        async with desk.look() as held:
            (letter,) = held.letters
            await desk.source.send([letter.again])
            await trio.sleep(DEDUPLICATION_S)  # so long that the queue takes it as new
            await held.redrive([letter], desk.by)
        await trio.sleep(1)
        assert len(rig.venue.requests) == 1
    assert (desk.source.bodies(), desk.dead.bodies()) == ([], [letter.body])


async def test_what_came_too_often_says_so(autojump_clock: MockClock) -> None:
    """The queue sets it aside itself and gives no reason: the letter has one in words."""
    desk = Desk()
    await desk.send("1", "2")
    for _ in range(schema.COPY.max_receives):
        (delivery,) = await desk.source.receive(1, wait_s=0)
        await desk.source.extend(delivery.receipt, 0)
    (following,) = await desk.source.receive(1, wait_s=0)
    assert following.dedup == "2"
    async with desk.look() as held:
        (letter,) = held.letters
        assert (letter.group, letter.dedup, letter.reason) == (GROUP, "1", TOO_OFTEN)
        assert letter.attributes == {"trace": "1"}


async def test_a_letter_without_room_says_so(autojump_clock: MockClock) -> None:
    """A body as large as a queue carries has no reason with it, and is not taken for one that came often."""
    desk = Desk()
    await desk.source.send([Outgoing(GROUP, "1", "x" * MAX_BATCH_BYTES)])
    await desk.set_aside()
    async with desk.look() as held:
        assert [(each.group, each.reason) for each in held.letters] == [(GROUP, NO_REASON_FITS)]


async def test_a_look_sees_everything_and_moves_nothing(autojump_clock: MockClock) -> None:
    """Any number of letters of a group, in their order; afterwards all are there for the next look."""
    desk = Desk()
    names = [f"{n:02}" for n in range(35)]
    await desk.send(*names)
    await desk.set_aside()
    for times in (1, 2):
        async with desk.look() as held:
            assert [letter.dedup for letter in held.letters] == names
            assert {letter.receives for letter in held.letters} == {times}
            assert held.unseen == 0


async def test_what_a_look_cannot_see_it_counts(autojump_clock: MockClock) -> None:
    """What somebody else holds, and what is behind ten of a group that the queue moved itself."""
    desk = Desk()
    await desk.dead.send([Outgoing(GROUP, f"{n}", "x") for n in range(12)])
    async with desk.look() as held:
        assert (len(held.letters), held.unseen) == (10, 2)
        async with desk.look() as other:
            assert (len(other.letters), other.unseen) == (0, 12)


async def test_a_long_look_keeps_its_letters(autojump_clock: MockClock) -> None:
    """While it works on them nobody else gets them; if it dies they come back when their time is over."""
    desk = Desk()
    await desk.send("1", "2")
    await desk.set_aside()
    async with desk.look() as held:
        for _ in range(2):
            await trio.sleep(HOLD_S * 0.6)
            assert await desk.dead.receive(wait_s=0) == []
            assert await held.redrive(held.letters[:1], desk.by) == []


async def test_a_redriven_letter_is_not_swallowed(autojump_clock: MockClock) -> None:
    """At once after its first sending, when its queue would still swallow it under its own dedup id, it is
    back in the queue as it was: group, body and attributes."""
    desk = Desk()
    await desk.send("1")
    await desk.set_aside()
    await desk.send("1")
    assert desk.source.bodies() == [], "the queue no longer deduplicates"
    async with desk.look() as held:
        assert await held.redrive(held.letters, desk.by) == []
    (back,) = await desk.source.receive(wait_s=0)
    assert (back.group, back.body, back.attributes) == (GROUP, '"1"', {"trace": "1"})
    assert await desk.seen() == []


async def test_a_letter_can_be_redriven_again_and_again(autojump_clock: MockClock) -> None:
    """However soon it is set aside again, each redrive brings it back."""
    desk = Desk()
    await desk.send("1")
    for _ in range(4):
        await desk.set_aside()
        async with desk.look() as held:
            (letter,) = held.letters
            assert letter.reason == "why"
            await held.redrive([letter], desk.by)
    assert desk.source.bodies() == ['"1"']


async def test_a_group_is_redriven_in_its_order(autojump_clock: MockClock) -> None:
    """Letters that were set aside one after the other come back one after the other."""
    desk = Desk()
    names = [f"{n:02}" for n in range(25)]
    await desk.send(*names)
    await desk.send(*names, group="q#0")
    await desk.set_aside()
    async with desk.look() as held:
        await held.redrive(held.letters, desk.by)
    came: dict[str, list[str]] = {GROUP: [], "q#0": []}
    while deliveries := await desk.source.receive(wait_s=0):
        for delivery in deliveries:
            came[delivery.group].append(delivery.body.strip('"'))
        await desk.source.delete([delivery.receipt for delivery in deliveries])
    assert came == {GROUP: names, "q#0": names}


class Dying(Exception):
    """The command's process ends here."""


class Mortal:
    """A queue at whose calls the process may die, before or after they have had their effect."""

    def __init__(self, queue: MemoryQueue, dies: Callable[[], bool]) -> None:
        self._queue, self._dies = queue, dies

    def __getattr__(self, name: str) -> object:
        method = getattr(self._queue, name)

        async def call(*args: object, **kwargs: object) -> object:
            if self._dies():
                raise Dying
            result = await method(*args, **kwargs)
            if self._dies():
                raise Dying
            return result

        return call


@pytest.mark.parametrize("step", range(30))
async def test_a_redrive_that_dies_loses_nothing_and_doubles_nothing(
    step: int, autojump_clock: MockClock
) -> None:
    """Wherever it ends, each message is in its queue or among the dead letters; redriven again within five
    minutes, each is in its queue once."""
    desk = Desk()
    names = {f'"{n:02}"' for n in range(15)}
    await desk.send(*(name.strip('"') for name in sorted(names)))
    await desk.set_aside()
    steps = iter(range(1_000))

    def dies() -> bool:
        return next(steps) >= step  # and nothing of this process happens afterwards

    dead, source = Mortal(desk.dead, dies), Mortal(desk.source, dies)
    try:
        async with desk.look(dead=dead, source=source) as held:
            await held.redrive(held.letters, desk.by)
    except* Dying:
        pass
    assert {*desk.source.bodies(), *desk.dead.bodies()} == names
    await trio.sleep(HOLD_S)
    async with desk.look() as held:
        await held.redrive(held.letters, desk.by)
    assert sorted(desk.source.bodies()) == sorted(names)
    assert desk.dead.bodies() == []


async def test_what_is_not_sent_is_not_deleted(autojump_clock: MockClock) -> None:
    """The queue takes some and then nothing: those are gone from the dead letters, the others are there."""
    desk = Desk()
    await desk.send("1", "2", "3")
    await desk.set_aside()

    class Half:
        async def send(self, messages: list[Outgoing]) -> None:
            await desk.source.send(messages[:1])
            raise SendFailed(messages[1:], "no answer")

    with pytest.raises(SendFailed):
        async with desk.look(source=Half()) as held:
            await held.redrive(held.letters, desk.by)
    assert desk.source.bodies() == ['"1"']
    assert await desk.seen() == ["2", "3"]


async def test_a_letter_that_somebody_else_holds_is_told(autojump_clock: MockClock) -> None:
    """Its time was over before it was deleted: it was sent, and it is still there; the caller learns it."""
    desk = Desk()
    await desk.send("1")
    await desk.set_aside()
    async with desk.look() as held:
        (letter,) = held.letters
        await trio.sleep(HOLD_S)
        await desk.dead.receive(wait_s=0)
        assert await held.redrive([letter], desk.by) == [letter]
    assert (len(desk.source.bodies()), len(desk.dead.bodies())) == (1, 1)


@pytest.mark.parametrize("action", ["redrive", "drop"])
async def test_what_is_done_is_in_the_audit(action: str, autojump_clock: MockClock) -> None:
    """Who, when, from where, and the whole letter, so that what was dropped can be written again."""
    desk = Desk()
    await desk.send("1", "2")
    await desk.set_aside("broken")
    async with desk.look() as held:
        letters = held.letters
        await getattr(held, action)(letters[:1], desk.by)
        assert held.letters == letters[1:]
    (entry,) = await desk.entries()
    assert (entry.who, entry.from_where, entry.ts) == ("ana", "desk-1", desk.by.ts)
    assert (entry.action, entry.target) == (f"dlq.{action}", f"letter/{letters[0].letter_id}")
    told = msgspec.json.decode(entry.before, type=Letter)
    assert told == msgspec.structs.replace(letters[0], receipt="")
    assert entry.after == (letters[0].again.dedup if action == "redrive" else "")
    assert await desk.seen() == ["2"]
    assert desk.source.bodies() == (['"1"'] if action == "redrive" else [])


@pytest.mark.parametrize("action", ["redrive", "drop"])
async def test_what_cannot_be_recorded_is_not_done(action: str, autojump_clock: MockClock) -> None:
    """While the audit's table refuses, every letter stays."""
    desk = Desk()
    await desk.send("1")
    await desk.set_aside()

    class Refusing:
        async def write(self, *_: object) -> None:
            raise Busy("throttled")

    desk.audit = Audit(Refusing())  # type: ignore[arg-type]  # the one method that is called
    with pytest.raises(Busy):
        async with desk.look() as held:
            await getattr(held, action)(held.letters, desk.by)
    assert await desk.seen() == ["1"]
    assert desk.source.bodies() == []


async def test_a_queue_that_does_not_take_letters_back_shows_them_later(autojump_clock: MockClock) -> None:
    """To give back is a courtesy: the look ends well without it."""
    desk = Desk()
    await desk.send("1")
    await desk.set_aside()

    class Deaf:
        def __getattr__(self, name: str) -> object:
            return getattr(desk.dead, name)

        async def extend(self, receipt: str, seconds: int) -> None:
            raise QueueUnavailable("no answer")

    async with desk.look(dead=Deaf()) as held:
        assert len(held.letters) == 1
    assert await desk.seen() == []
    await trio.sleep(HOLD_S)
    assert await desk.seen() == ["1"]


async def test_a_message_that_aws_moved_back_is_still_of_its_group(autojump_clock: MockClock) -> None:
    """AWS's own redrive keeps the letter's own group; set aside again it is of the group it was."""
    desk = Desk()
    await desk.send("1")
    (delivery,) = await desk.source.receive(wait_s=0)
    letter = as_dead_letter(delivery, "why")
    await trio.sleep(DEDUPLICATION_S)
    await desk.source.send([letter])
    await desk.set_aside("again")
    async with desk.look() as held:
        assert (held.letters[0].group, held.letters[0].reason) == (GROUP, "again")
