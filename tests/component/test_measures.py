"""Laws of what the services measure: each fact once, and times that add up."""

import json
from collections import Counter

import pytest
import trio
from trio.testing import MockClock

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit
from spider_common.budgets.usage import Usage
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.orders import CopyState
from spider_common.stores.cache import CacheUnavailable
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.metered_cache import MeteredCache
from spider_common.telemetry.metrics import Meter
from tests.oms_rig import ORIGIN, Rig
from tests.scripted import Reply
from tests.town import ANA, BRUNO, open_town

STAGES = ("IngestLatency", "QueueLatency", "PlanLatency", "SendLatency", "VenueLatency")


def counted(lines: list[str]) -> Counter[str]:
    """What was counted, by metric, and of distributions how many values there were."""
    found: Counter[str] = Counter()
    for line in map(json.loads, lines):
        for part in line["_aws"]["CloudWatchMetrics"]:
            for name in (each["Name"] for each in part["Metrics"]):
                found[name] += line[name]["Count"] if isinstance(line[name], dict) else line[name]
    return found


async def test_an_order_is_counted_once(autojump_clock: MockClock) -> None:
    """By its first answer: that a doubt was settled later, and the order sent again, changes nothing."""
    rig = Rig("alice", "bob", "carla")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REQUEST)
    rig.venue.script("bob-account", Reply.REJECT)
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        await trio.sleep(60)
    intents = await rig.intents(event)
    assert (intents["alice"].state, intents["alice"].requests) == (CopyState.ACCEPTED, 2)
    rig.meter.tell()
    told = counted(rig.metrics)
    assert (told["Orders"], told["OrderErrors"], told["EventsCopied"]) == (3, 2, 1)
    # of those that were answered at the first try: a rejection is an answer
    assert {told[each] for each in (*STAGES, "CopyLatency")} == {2}


async def test_a_service_that_ends_has_told_of_every_copy(autojump_clock: MockClock) -> None:
    """Drained between two tellings: the orders that were counted are those in the venue's ledger."""
    async with open_town(ANA, BRUNO, measured=True) as town:
        ingest = await town.ingest()
        stop, _ = await town.oms("one")
        for _ in range(3):
            town.trade(10)
            await trio.sleep(4)
        town.trade(10)
        await trio.sleep(0.1)
        ingest.set()
        stop.set()
        await trio.sleep(5)
        told = counted(town.metrics)
        assert told["Orders"] == town.verdict(ANA, BRUNO)["placed"] == 8
        assert told["EventsCopied"] == 4


async def test_the_stages_of_a_copy_add_up(autojump_clock: MockClock) -> None:
    """To what the log says, too."""
    rig = Rig("alice")
    worker = await rig.worker()
    received = rig.clock.now()
    await trio.sleep(0.25)
    await worker.copier.handle(rig.event(), received)
    rig.meter.tell()
    told = {name: value for line in map(json.loads, rig.metrics) for name, value in line.items()}
    assert sum(told[each]["Sum"] for each in STAGES) == pytest.approx(told["CopyLatency"]["Sum"])
    (copy,) = [line for line in map(json.loads, rig.lines) if line["event"] == "copy"]
    took = copy["latency_ms"]
    assert took.pop("total") == pytest.approx(told["CopyLatency"]["Sum"], abs=0.001)
    assert sum(took.values()) == pytest.approx(told["CopyLatency"]["Sum"], abs=0.01)


async def test_a_doubt_is_told_until_it_is_settled(autojump_clock: MockClock) -> None:
    """How many there are and how old the oldest is, at each telling."""
    rig = Rig("alice", "bob")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    async with worker.resolving():
        await worker.copier.handle(rig.event(), rig.clock.now())
        rig.meter.tell()
        begun = counted(rig.metrics)
        await trio.sleep(60)
        rig.metrics.clear()
        rig.meter.tell()
    ended = counted(rig.metrics)
    assert (begun["DoubtsOpen"], ended["DoubtsOpen"], ended["DoubtAge"]) == (1, 0, 0)


async def test_an_order_that_is_sent_again_stays_as_doubtful_as_it_was(autojump_clock: MockClock) -> None:
    """The venue says each time that it has none, and never that it takes it: that is one long doubt."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", *[Reply.LOSE_REQUEST] * 50)
    async with worker.resolving():
        await worker.copier.handle(rig.event(), rig.clock.now())
        for _ in range(9):
            await trio.sleep(10)
            rig.meter.tell()
    ages = [line["DoubtAge"] for line in map(json.loads, rig.metrics) if "DoubtAge" in line]
    assert len(rig.venue.requests) > 5
    assert [ages[place + 1] - age for place, age in enumerate(ages[:-1])] == pytest.approx([10] * 8)


async def test_the_use_of_a_limit_is_that_of_its_scarcest_bucket(autojump_clock: MockClock) -> None:
    """Sixteen requests in ten seconds of a limit of two a second are 80 %; of a wider one they are less."""
    clock, lines = TrioClock(ORIGIN), list[str]()
    meter = Meter("oms", clock, environment="test", write=lines.append)
    budgets = Budgets(clock, usage=Usage(meter, clock, venue="okx"))
    for _ in range(16):
        await budgets.acquire(("account", Limit(8, 4.0)), ("address", Limit(100, 1.0)))
    await trio.sleep_until(10)
    meter.tell()
    (line,) = map(json.loads, lines)
    assert (line["Venue"], line["RateUse"], line["RateWait"]["Count"]) == ("okx", 80.0, 16)
    assert line["RateWait"]["Max"] > 500  # the even pace of six in four seconds
    lines.clear()
    await trio.sleep(10)
    meter.tell()
    assert json.loads(lines[0])["RateUse"] == 0


async def test_hits_misses_and_failures_of_the_cache_are_told_apart(autojump_clock: MockClock) -> None:
    """A failure is none of the other two, and is still raised."""
    cache, clock, lines = MemoryCache(), TrioClock(ORIGIN), list[str]()
    meter = Meter("oms", clock, environment="test", write=lines.append)
    metered = MeteredCache(cache, meter)
    await metered.get("a")
    await metered.set("a", b"1", ttl_ms=NS_PER_S)
    await metered.get("a")
    await metered.get("a")
    cache.is_down = True
    for call in (metered.get("a"), metered.set("a", b"1", ttl_ms=1), metered.delete("a")):
        with pytest.raises(CacheUnavailable):
            await call
    meter.tell()
    assert counted(lines) == {"CacheHits": 2, "CacheMisses": 1, "CacheFailures": 3}
