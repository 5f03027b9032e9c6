"""Lets the troubles of `services.local.trouble` strike real processes, and counts them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, get_args

import httpx
import msgspec
import trio

from services.local import faulty_proxy
from services.local.faulty_proxy import HOST, Failure, Ports, Shares
from services.local.processes import ProcessFailed
from services.local.schedule import OF_ORDERS, OF_PUSHES, Moment
from services.local.stack import INGEST, Ground, Stack, python
from services.local.trouble import CALM, Kill, Pause, Storm, Troubles
from services.simulator.faults import FaultKind
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import Venue

ORDER_SERVICES: Final = ("oms-a", "oms-b")
_STARTS: Final = 8  # tries to start a service while AWS does not answer


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


async def start_proxy(ground: Ground, client: httpx.AsyncClient, chosen: int) -> Proxy:
    arguments = (ground.aws_url, str(chosen))
    process = python(
        "proxy", faulty_proxy.__name__, *arguments, environment=ground.environment, logs=ground.logs
    )
    ports = msgspec.json.decode(await ground.start(process, ready="control_port"), type=Ports)
    return Proxy(f"http://{HOST}:{ports.port}", f"http://{HOST}:{ports.control_port}", client)


class Strikes:
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
        told = Counter(line.event for name in self._stack.services for line in lines(logs, name))
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


class Line(msgspec.Struct):
    """A line of a service's log."""

    event: str = ""
    event_id: str = ""


def lines(logs: Path, service: str) -> Iterator[Line]:
    """A service's log; what is not a line of ours (a kill cuts them) left out."""
    for line in (logs / f"{service}.log").read_bytes().splitlines():
        try:
            yield msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError:
            continue
