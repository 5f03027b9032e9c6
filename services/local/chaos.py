"""`make chaos`: real processes copy while everything that can go wrong does, then they are judged.

Two order services and an ingest, three leaders, followers on three venues. Services are killed and paused,
Redis dies, AWS's answers are throttled, fail and get lost, the venues misbehave (`services.local.trouble`).
The venues' ledgers and the leaders' scripts alone say whether a copy was lost or doubled. Then our journal
has to account for every copy that was not made, and our positions have to be the venues'.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, get_args

import httpx
import msgspec
import trio
from rich.console import Console

from services.local import faulty_proxy
from services.local.explain import Explanation, Ledgers, executed, explain
from services.local.faulty_proxy import HOST, Failure, Ports, Shares
from services.local.judge import LISTED, findings
from services.local.processes import ProcessFailed
from services.local.schedule import OF_ORDERS, OF_PUSHES, Moment
from services.local.seed import THREE_VENUES, Follower, Team, seed_teams
from services.local.stack import INGEST, LEASE_S, Ground, Stack, open_ground, open_services, python
from services.local.trouble import CALM, Kill, Pause, Storm, Troubles, draw_troubles
from services.simulator.actions import Action
from services.simulator.checker import totals
from services.simulator.faults import FaultKind
from services.simulator.instruments import Instrument
from services.simulator.ledger import Executed
from services.simulator.scenario import Pause as Wait
from services.simulator.scenario import Step, leader_session, play
from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import EventId, Venue
from spider_common.domain.journal import JournalRow
from spider_common.domain.products import FixedRatio
from spider_common.network import SystemNetwork
from spider_common.sdk import http

ORDER_SERVICES: Final = ("oms-a", "oms-b")
EVENTS: Final = 200
_NS_AN_EVENT: Final = 350_000_000
"""About three leader events a second: what moto keeps up with on two cores that do all the rest beside it."""
_EVENTS_A_ROUND: Final = 110  # at least, of the three leaders' sessions together
_STUCK_S: Final = 60.0  # nothing has happened at the venues for so long: nothing will
_QUIET_S: Final = 7.0  # in which what the dead have left behind comes back: a message, then a lease
_LOOK_EVERY_S: Final = 0.5
_STARTS: Final = 8  # tries to start a service while AWS does not answer

_SKIPS = Follower(  # most of its copies are below what its venue takes, until they add up
    client="fabio", sizing=FixedRatio(Decimal("0.004")), deposit=Decimal(9_000), venue=Venue.BITGET
)
_IS_DENIED = Follower(
    client="gil", sizing=FixedRatio(Decimal(1)), deposit=Decimal(9_000), venue=Venue.BINGX, trading=False
)
TEAMS: Final = tuple(
    msgspec.structs.replace(team, followers=(*team.followers[part], *more))
    for team, part, more in zip(
        THREE_VENUES,
        (slice(3), slice(3), slice(2, None)),
        ((_SKIPS,), (_IS_DENIED,), ()),
        strict=True,
    )
)
"""Each leader has three followers, one at each venue, of all rules; and two have one more."""


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """How often each trouble struck, and what shows that it was felt.

    Attributes:
        kills, pauses: by service, pauses each longer than the lease.
        redis: how often Redis died and came back with nothing in it.
        redis_missed: how often a service found it gone.
        aws, venues: answers and events struck, by kind.
        failed_starts: services that ended at their start because AWS did not answer, and were started again.
        takeovers: rows taken over from an owner that was gone for longer than its lease.
        fenced: how often one that came back found its row taken.
    """

    kills: dict[str, int]
    pauses: dict[str, int]
    redis: int
    redis_missed: int
    aws: dict[Failure, int]
    venues: dict[FaultKind, int]
    failed_starts: int
    takeovers: int
    fenced: int

    def missing(self) -> list[str]:
        """The troubles that did not strike: a run without them proves nothing about them."""
        needed: list[tuple[str, int]] = [
            *((f"kill of {name}", self.kills.get(name, 0)) for name in (*ORDER_SERVICES, INGEST)),
            *((f"pause of {name}", self.pauses.get(name, 0)) for name in (*ORDER_SERVICES, INGEST)),
            ("restart of Redis", self.redis),
            ("loss of Redis", self.redis_missed),
            ("takeover", self.takeovers),
            *((f"AWS: {kind}", self.aws.get(kind, 0)) for kind in get_args(Failure)),
            *((f"venues: {kind}", self.venues.get(kind, 0)) for kind in (*OF_ORDERS, *OF_PUSHES)),
        ]
        return [name for name, count in needed if not count]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """chaos.json: the judgement, the explanation and the troubles."""

    seed: int
    seconds: float
    leader_events: int
    judged: dict[str, int]
    explained: Explanation
    unfinished: int
    dead_letters: int
    wrong_positions: tuple[str, ...]
    struck: Struck

    def wrongs(self) -> list[str]:
        """Why the run did not go well; empty if it did."""
        counted = [
            ("copies lost", self.judged["lost"]),
            ("copies doubled", self.judged["duplicated"]),
            ("rows unfinished", self.unfinished),
            ("dead letters", self.dead_letters),
        ]
        return [
            *(f"{count} {name}" for name, count in counted if count),
            *(f"unexplained: {each}" for each in self.explained.unexplained),
            *(f"position: {each}" for each in self.wrong_positions),
            *(f"never struck: {each}" for each in self.struck.missing()),
        ]


async def chaos(*, chosen: int, events: int, logs: Path, report: Path, console: Console) -> int:
    """Runs a seed and tells; returns the exit code."""
    console.print(
        f"Seed {chosen}: at least {events} leader events while services, Redis, AWS and venues fail ..."
    )
    summary = await run(chosen, events, logs)
    report.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")  # noqa: ASYNC240 once, at the end
    console.print(summary.struck, {"judged": summary.judged, "reasons": summary.explained.reasons})
    for wrong in summary.wrongs():
        console.print(f"[red]{wrong}")
    console.print(
        f"[bold]{summary.leader_events} leader fills, {summary.judged['expected']} copies expected, "
        f"lost {summary.judged['lost']}, duplicated {summary.judged['duplicated']}, "
        f"unexplained {len(summary.explained.unexplained)}[/bold]; {report}"
    )
    return 1 if summary.wrongs() else 0


async def run(chosen: int, events: int, logs: Path) -> Report:
    """One seed, from the start of every process to the judgement."""
    rng = random.Random(chosen)  # noqa: S311 a script of trades and troubles, nothing secret
    length = events * _NS_AN_EVENT
    rounds = math.ceil(events / _EVENTS_A_ROUND)
    scripts = {
        team: leader_session(rng, _traded(team.venue), leader=team.leader, rounds=rounds) for team in TEAMS
    }
    troubles = draw_troubles(
        rng,
        length=length,
        teams=TEAMS,
        order_services=ORDER_SERVICES,
        ingest=INGEST,
        lease=LEASE_S * NS_PER_S,
    )
    seed = seed_teams(rng, TEAMS)
    begun = trio.current_time()
    async with (
        open_ground(logs) as ground,
        http.client(http.TrioTransport(network=SystemNetwork())) as client,
    ):
        proxy = await _start_proxy(ground, client, chosen)
        opened = open_services(ground, seed, aws_url=proxy.url, order_services=ORDER_SERVICES)
        async with opened as stack:
            strikes = _Strikes(ground, stack, proxy)
            async with trio.open_nursery() as nursery:
                for team, steps in scripts.items():
                    nursery.start_soon(_lead, stack, team, steps, length)
                await strikes.strike(troubles)
            end = await _settled(stack, logs)
            return Report(
                seed=chosen,
                seconds=round(trio.current_time() - begun, 1),
                struck=await strikes.struck(logs),
                **msgspec.structs.asdict(end),
            )


class Proxy(msgspec.Struct, frozen=True):
    """The proxy before AWS, from here."""

    url: str
    control: str
    client: httpx.AsyncClient

    async def set(self, shares: Shares) -> None:
        """Sets what share of the answers goes wrong from now on."""
        answer = await self.client.put(f"{self.control}/shares", content=msgspec.json.encode(shares))
        answer.raise_for_status()

    async def struck(self) -> dict[Failure, int]:
        answer = await self.client.get(f"{self.control}/struck")
        return msgspec.json.decode(answer.content, type=dict[Failure, int])


async def _start_proxy(ground: Ground, client: httpx.AsyncClient, chosen: int) -> Proxy:
    arguments = (ground.aws_url, str(chosen))
    process = python(
        "proxy", faulty_proxy.__name__, *arguments, environment=ground.environment, logs=ground.logs
    )
    ports = msgspec.json.decode(await ground.start(process, ready="control_port"), type=Ports)
    return Proxy(f"http://{HOST}:{ports.port}", f"http://{HOST}:{ports.control_port}", client)


def _traded(venue: Venue) -> list[Instrument]:
    """What a leader trades: not much, so that the three have about as many events each. A leader's events are
    copied one after the other, and wait while one of them waits for who has died."""
    return [each for each in LISTED[venue] if each.kind == "swap" and each.base in {"BTC", "ETH"}]


async def _lead(stack: Stack, team: Team, steps: Sequence[Step], length: int) -> None:
    """Plays a leader's session so that it takes `length` ns."""

    async def act(step: Action) -> None:
        await stack.act(step, team.venue)

    pauses = sum(step.duration for step in steps if isinstance(step, Wait))
    await play(steps, act, speed=pauses / length)


class _Strikes:
    """Lets troubles strike, each part of the system in a task of its own, and counts."""

    def __init__(self, ground: Ground, stack: Stack, proxy: Proxy) -> None:
        self._ground, self._stack, self._proxy = ground, stack, proxy
        self._kills, self._pauses = Counter[str](), Counter[str]()
        self._redis = self._failed_starts = 0

    async def strike(self, troubles: Troubles) -> None:
        """Returns when all have struck, everything runs again and AWS answers."""
        begin = trio.current_time()
        async with trio.open_nursery() as nursery:
            for name, strikes in troubles.services.items():
                nursery.start_soon(self._at_service, name, strikes, begin, name=f"chaos[{name}]")
            nursery.start_soon(self._at_redis, troubles.redis, begin, name="chaos[redis]")
            nursery.start_soon(self._at_aws, troubles.aws, begin, name="chaos[aws]")
            for venue, moments in troubles.venues.items():
                nursery.start_soon(self._at_venue, venue, moments, begin, name=f"chaos[{venue}]")
        await self._proxy.set(Shares())

    async def struck(self, logs: Path) -> Struck:
        """What has struck, and what the services' logs tell of it."""
        venues = Counter[FaultKind]()
        for venue in Venue:
            venues.update(await self._stack.faults(venue))
        told = Counter(line.event for name in self._stack.services for line in _lines(logs, name))
        return Struck(
            kills=dict(self._kills),
            pauses=dict(self._pauses),
            redis=self._redis,
            redis_missed=told["budgets.local"],
            aws=await self._proxy.struck(),
            venues=dict(venues),
            failed_starts=self._failed_starts,
            takeovers=told["journal.taken_over"],
            fenced=told["journal.fenced"],
        )

    async def _at_service(self, name: str, strikes: Sequence[Kill | Pause], begin: float) -> None:
        process = self._stack.services[name]
        for strike in strikes:
            await trio.sleep_until(begin + strike.at / NS_PER_S)
            if isinstance(strike, Pause):
                process.pause()
                await trio.sleep(strike.duration / NS_PER_S)
                process.resume()
                self._pauses[name] += 1
            else:
                await process.kill()
                self._kills[name] += 1
                await trio.sleep(strike.down / NS_PER_S)
                await self._start(name)

    async def _start(self, name: str) -> None:
        """As ECS does: a service that ends at its start is started again."""
        for tried in range(1, _STARTS + 1):
            try:
                return await self._stack.start(name)
            except ProcessFailed:
                if tried == _STARTS:
                    raise
                self._failed_starts += 1
        raise AssertionError("the last try returns or raises")

    async def _at_redis(self, kills: Sequence[Kill], begin: float) -> None:
        for kill in kills:
            await trio.sleep_until(begin + kill.at / NS_PER_S)
            await self._ground.redis.kill()
            await trio.sleep(kill.down / NS_PER_S)
            await self._ground.start_redis()
            self._redis += 1

    async def _at_aws(self, storms: Sequence[Storm], begin: float) -> None:
        await self._proxy.set(CALM)
        for storm in storms:
            await trio.sleep_until(begin + storm.at / NS_PER_S)
            await self._proxy.set(storm.shares)
            await trio.sleep(storm.duration / NS_PER_S)
            await self._proxy.set(CALM)

    async def _at_venue(self, venue: Venue, moments: Sequence[Moment], begin: float) -> None:
        for moment in moments:
            await trio.sleep_until(begin + moment.at / NS_PER_S)
            await self._stack.act(list(moment.actions), venue)


class _End(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand; the fields are those of `Report`."""

    leader_events: int
    judged: dict[str, int]
    explained: Explanation
    unfinished: int
    dead_letters: int
    wrong_positions: tuple[str, ...]

    @property
    def is_settled(self) -> bool:
        return not (
            self.judged["lost"] or self.unfinished or self.explained.unexplained or self.wrong_positions
        )


async def _settled(stack: Stack, logs: Path) -> _End:
    """How things stand once they have been right and quiet for a while, or are stuck."""
    quiet_since, size = trio.current_time(), -1
    while True:
        ledgers = await stack.ledgers()
        if (entries := sum(map(len, ledgers.values()))) != size:
            size, quiet_since = entries, trio.current_time()
        quiet = trio.current_time() - quiet_since
        if quiet >= _QUIET_S:
            end = await _judge(stack, logs, ledgers)
            if end.is_settled or quiet >= _STUCK_S:
                return end
        await trio.sleep(_LOOK_EVERY_S)  # services and venues are other processes: nothing else tells


async def _judge(stack: Stack, logs: Path, ledgers: Ledgers) -> _End:
    leaders = {team.leader for team in TEAMS}
    rows = await _journal(stack, logs)
    return _End(
        leader_events=sum(
            isinstance(entry, Executed) and entry.order.account in leaders
            for entries in ledgers.values()
            for entry in entries
        ),
        judged=dict(totals(findings(ledgers, TEAMS))),
        explained=explain(ledgers, TEAMS, rows),
        unfinished=sum(bool(row.unfinished) for row in rows),
        dead_letters=await stack.messages(schema.COPY_DLQ),
        wrong_positions=tuple(await _wrong_positions(stack, ledgers, rows)),
    )


async def _wrong_positions(stack: Stack, ledgers: Ledgers, rows: Sequence[JournalRow]) -> list[str]:
    """Where what we say that a client holds differs from what its venue has executed."""
    intents = {(each.client, each.symbol): each for row in rows for each in row.intents}
    wrong = []
    for (client, symbol), quantity in executed(ledgers, TEAMS).items():
        intent = next((each for key, each in intents.items() if key == (client, symbol)), None)
        held = (await stack.trading.orders.holding(intent)).value.quantity if intent else None
        if held != quantity:
            wrong.append(f"{client} {symbol}: {held}, the venue executed {quantity}")
    return wrong


async def _journal(stack: Stack, logs: Path) -> list[JournalRow]:
    """Every row of the run: each event is named in an order service's log before its message goes."""
    named = {line.event_id: None for name in ORDER_SERVICES for line in _lines(logs, name) if line.event_id}
    return [row for event in named for row in await stack.trading.event_journal(EventId(event))]


class _Line(msgspec.Struct):
    event: str = ""
    event_id: str = ""


def _lines(logs: Path, service: str) -> list[_Line]:
    """A service's log; what is not a line of ours (a kill cuts them) left out."""
    found = []
    for line in (logs / f"{service}.log").read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(line, type=_Line))
        except msgspec.DecodeError:
            continue
    return found
