"""Each fault trips the alarm that is for it, and no other; when it is over the alarm is, too.

The services measure and tell lines, CloudWatch's model reads them: what is tested is the way from the fact to
who is woken. What AWS measures itself is in tests/unit/test_cloudwatch_model.py.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import trio
from trio.testing import MockClock

from services.local.seed import LEADER
from services.simulator.actions import Arm, DropSockets, Place, apply
from services.simulator.conversation import Conversation
from services.simulator.faults import Fault, FaultKind
from services.simulator.rules import NewOrder
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId
from spider_common.secret import Credentials, Secret
from spider_common.telemetry.registry import LOCAL, METRICS, NAMESPACE
from stacks.alarms import Alarm, alarms
from stacks.environments import DEV
from tests.cloudwatch import Metrics, State, changes, states
from tests.town import ANA, BRUNO, SWAP, Town, open_town

MINUTE = 60
QUIET: list[State] = ["OK"]


def ours() -> Iterator[Alarm]:
    """The alarms that read only what the services emit, as they are where the simulation runs."""
    here = msgspec.structs.replace(DEV, name=LOCAL)
    for alarm in alarms(here, services={}, nat_gateways={}, balancer="none"):
        if all(read.namespace == NAMESPACE for read in alarm.reads.values()):
            yield alarm


def test_each_alarm_on_our_own_metrics_is_tripped_here() -> None:
    """A new one wants a fault that trips it."""
    tripped = {"error-rate", "doubt-age", "drift", "leader-silence", "oms-loop-lag", "ingest-loop-lag"}
    assert {alarm.name for alarm in ours()} == tripped


def went_off(town: Town) -> dict[str, list[State]]:
    """The alarms that were not quiet all the time, with their states."""
    told = [json.loads(line)["_aws"]["Timestamp"] / 1_000 for line in town.metrics]
    metrics, begin, end = Metrics.of_lines(town.metrics), min(told), town.world.clock.now() / NS_PER_S
    found = {alarm.name: changes(states(alarm, metrics, begin, end)) for alarm in ours()}
    return {name: seen for name, seen in found.items() if seen != QUIET}


def arm(town: Town, kind: FaultKind, *, account: str | None = None, times: int = 1, seconds: int = 0) -> None:
    apply(town.venue, Arm(fault=Fault(kind=kind, account=account, times=times, delay=seconds * NS_PER_S)))


async def trade(town: Town, times: int) -> None:
    """The leader trades so often, a trade in twenty seconds."""
    for number in range(times):
        town.trade(10, "sell" if number % 2 else "buy")
        await trio.sleep(20)


async def test_nothing_goes_off_while_all_is_well(autojump_clock: MockClock) -> None:
    """Half an hour of trades, a stop of the order service and one of ingest, as in a deploy."""
    async with open_town(ANA, BRUNO, measured=True) as town:
        ingest = await town.ingest()
        stop, _ = await town.oms("one")
        await trade(town, 30)
        await town.oms("two")
        stop.set()
        await town.ingest()
        ingest.set()
        await trade(town, 60)
        assert went_off(town) == {}


async def test_answers_that_get_lost_trip_the_error_rate(autojump_clock: MockClock) -> None:
    """Six orders are in doubt for some seconds; five minutes after the last of them it is over."""
    async with open_town(ANA, BRUNO, measured=True) as town:
        await town.ingest()
        await town.oms("one")
        await trade(town, 30)
        arm(town, "lose_reply", times=6)
        await trade(town, 60)
        assert went_off(town) == {"error-rate": ["OK", "ALARM", "OK"]}


async def test_one_lost_answer_is_no_rate(autojump_clock: MockClock) -> None:
    """A third of few orders is still one client's trouble."""
    async with open_town(ANA, measured=True) as town:
        await town.ingest()
        await town.oms("one")
        arm(town, "lose_reply", times=2)
        await trade(town, 3)
        await trio.sleep(10 * MINUTE)
        assert went_off(town) == {}


async def test_a_venue_that_is_away_trips_the_age_of_doubts(autojump_clock: MockClock) -> None:
    """An order cannot be asked about for four minutes; then it is settled."""
    async with open_town(ANA, measured=True) as town:
        await town.ingest()
        await town.oms("one")
        await trade(town, 6)
        arm(town, "maintenance", seconds=4 * MINUTE)
        town.trade(10)
        await trio.sleep(10 * MINUTE)
        assert went_off(town) == {"doubt-age": ["OK", "ALARM", "OK"]}
        assert town.verdict(ANA)["lost"] == 0


async def test_a_trade_by_hand_trips_drift(autojump_clock: MockClock) -> None:
    """The follower buys by itself; when it has sold again nothing drifts."""
    by_hand = NewOrder(symbol=SWAP, side="buy", kind="market", size=Decimal(20))
    async with open_town(ANA, BRUNO, measured=True) as town:
        await town.ingest()
        await town.oms("one")
        await trade(town, 6)
        apply(town.venue, Place(account=ANA.account, order=by_hand))
        await trio.sleep(8 * MINUTE)
        apply(town.venue, Place(account=ANA.account, order=msgspec.structs.replace(by_hand, side="sell")))
        await trio.sleep(8 * MINUTE)
        assert went_off(town) == {"drift": ["OK", "ALARM", "OK"]}


async def test_without_ingest_no_leader_is_heard(autojump_clock: MockClock) -> None:
    """Nothing is told any more, which is what the alarm takes for the worst; the next ingest ends it."""
    async with open_town(ANA, measured=True) as town:
        ingest = await town.ingest()
        await town.oms("one")
        await trade(town, 18)
        ingest.set()
        await trio.sleep(10 * MINUTE)
        await town.ingest()
        await trio.sleep(10 * MINUTE)
        assert went_off(town) == {"leader-silence": ["OK", "ALARM", "OK"]}


async def test_a_leader_whose_key_is_refused_is_not_heard(autojump_clock: MockClock) -> None:
    """That a login was refused is an answer, and no sign of life; a good key ends it."""
    leader = AccountId(LEADER)
    async with open_town(ANA, measured=True) as town:
        await town.ingest()
        await town.oms("one")
        await trio.sleep(5 * MINUTE)
        good = await town.world.secrets.credentials(leader)
        assert good is not None
        town.world.secrets.put(leader, Credentials(Secret("x"), Secret("x"), Secret("x")))
        apply(town.venue, DropSockets(account=LEADER))
        await trio.sleep(10 * MINUTE)
        town.world.secrets.put(leader, good)
        await trio.sleep(10 * MINUTE)
        assert went_off(town) == {"leader-silence": ["OK", "ALARM", "OK"]}


async def test_a_blocked_loop_trips_the_lag_of_every_service_on_it(mock_clock: MockClock) -> None:
    """Four minutes in which something takes a second of all others' time every ten. Here both services share
    one loop."""
    mock_clock.autojump_threshold = 0
    async with open_town(ANA, measured=True) as town:
        await town.ingest()
        await town.oms("one")
        await trio.sleep(6 * MINUTE)
        for _ in range(24):
            mock_clock.jump(1)
            await trio.sleep(10)
        await trio.sleep(10 * MINUTE)
        over: list[State] = ["OK", "ALARM", "OK"]
        assert went_off(town) == {"oms-loop-lag": over, "ingest-loop-lag": over}


async def test_every_metric_is_told_by_the_services_that_it_names(autojump_clock: MockClock) -> None:
    """One eventful quarter of an hour emits each metric of the registry, and none of another service's."""
    async with open_town(ANA, BRUNO, measured=True) as town:
        await town.ingest()  # reads the table, and leaves in the cache what the next one finds
        await town.oms("one")
        town.world.cache._values.clear()
        await town.oms("two")
        await town.ingest()
        await trade(town, 3)
        arm(town, "lose_reply", times=2)
        arm(town, "drop_push", account=LEADER, times=10**6)
        await trade(town, 6)
        town.venue.faults.clear()
        for session in town.venue.sessions(LEADER):
            assert isinstance(session, Conversation)
            session.put("what no venue says")
        await trio.sleep(MINUTE)
        apply(town.venue, DropSockets(account=LEADER))
        town.world.cache.is_down = True
        await trade(town, 3)
        town.world.secrets._credentials.pop(ANA.account)
        town.trade(10)
        await trio.sleep(5 * MINUTE)
    told: dict[str, set[str]] = {}
    for line in map(json.loads, town.metrics):
        names = {each["Name"] for part in line["_aws"]["CloudWatchMetrics"] for each in part["Metrics"]}
        told.setdefault(line["Service"], set()).update(names)
    for service, names in told.items():
        assert names == {each.name for each in METRICS if service in each.services}
