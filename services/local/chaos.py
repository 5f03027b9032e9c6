"""`make chaos`: real processes copy while everything that can go wrong does, then they are judged.

Two order services and an ingest, three leaders, followers on three venues. Services are killed and paused,
Redis dies, AWS's answers are throttled, fail and get lost, the venues misbehave (`services.local.trouble`).
The venues' ledgers and the leaders' scripts alone say whether a copy was lost or doubled. Then our journal
has to account for every copy that was not made, and our positions have to be the venues'.
"""

import math
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import trio
from rich.console import Console

from services.local.explain import Explanation, Ledgers, executed, explain
from services.local.judge import LISTED, findings
from services.local.seed import THREE_VENUES, Follower, Team, seed_teams
from services.local.stack import INGEST, LEASE_S, Stack, open_ground, open_services
from services.local.strikes import ORDER_SERVICES, Strikes, Struck, lines, start_proxy
from services.local.trouble import draw_troubles
from services.simulator.actions import Action
from services.simulator.checker import Finding, totals
from services.simulator.instruments import Instrument
from services.simulator.ledger import Executed, to_json
from services.simulator.scenario import Pause as Wait
from services.simulator.scenario import Step, leader_session, play
from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import ClientId, EventId, Venue
from spider_common.domain.journal import JournalRow
from spider_common.domain.products import FixedRatio
from spider_common.domain.quantities import ZERO
from spider_common.network import SystemNetwork
from spider_common.sdk import http

EVENTS: Final = 200
_NS_AN_EVENT: Final = 350_000_000
"""About three leader events a second: what moto keeps up with on two cores that do all the rest beside it."""
_EVENTS_A_ROUND: Final = 110  # at least, of the three leaders' sessions together
_STUCK_S: Final = 60.0  # nothing has happened at the venues for so long: nothing will
_QUIET_S: Final = 7.0  # in which what the dead have left behind comes back: a message, then a lease
_LOOK_EVERY_S: Final = 0.5

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


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How the copies stand.

    Attributes:
        ledgers: the counts of `services.simulator.checker`, from the venues' ledgers alone.
        strayed: the followers and instruments of which it says that something was lost or doubled.
        journal: our journal's account of each leader event and follower.
        unfinished: rows of the journal with an order that has no outcome yet.
        wrong_positions: where what we say that a client holds is not what its venue executed, in words.
    """

    leader_events: int
    ledgers: dict[str, int]
    strayed: tuple[Finding, ...]
    journal: Explanation
    unfinished: int
    dead_letters: int
    wrong_positions: tuple[str, ...]

    def wrongs(self) -> list[str]:
        """What is not as it has to be in the end."""
        counted = [
            ("copies lost", self.ledgers["lost"]),
            ("copies doubled", self.ledgers["duplicated"]),
            ("rows unfinished", self.unfinished),
            ("dead letters", self.dead_letters),
        ]
        return [
            *(f"{count} {name}" for name, count in counted if count),
            *(f"strayed: {each}" for each in self.strayed),
            *(f"unexplained: {each}" for each in self.journal.unexplained),
            *(f"position: {each}" for each in self.wrong_positions),
        ]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """chaos.json."""

    seed: int
    seconds: float
    judgement: Judgement
    struck: Struck

    def wrongs(self) -> list[str]:
        """Why the run did not go well, or proves nothing; empty if it did."""
        return [*self.judgement.wrongs(), *(f"never struck: {each}" for each in self.struck.missing())]


async def chaos(*, chosen: int, events: int, logs: Path, report: Path, console: Console) -> int:
    """Runs a seed and tells; returns the exit code."""
    console.print(
        f"Seed {chosen}: at least {events} leader events while services, Redis, AWS and venues fail ..."
    )
    summary = await run(chosen, events, logs)
    report.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")  # noqa: ASYNC240 once, at the end
    told, copies = summary.judgement, summary.judgement.ledgers
    console.print(summary.struck, {"ledgers": copies, "copied": told.journal.copied, **told.journal.reasons})
    for wrong in summary.wrongs():
        console.print(f"[red]{wrong}")
    console.print(
        f"[bold]{told.leader_events} leader fills, {copies['expected']} copies expected, "
        f"lost {copies['lost']}, duplicated {copies['duplicated']}, "
        f"unexplained {len(told.journal.unexplained)}[/bold]; {report}"
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
        proxy = await start_proxy(ground, client, chosen)
        opened = open_services(ground, seed, aws_url=proxy.url, order_services=ORDER_SERVICES)
        async with opened as stack:
            strikes = Strikes(ground, stack, proxy)
            async with trio.open_nursery() as nursery:
                for team, steps in scripts.items():
                    nursery.start_soon(_lead, stack, team, steps, length)
                await strikes.strike(troubles)
            judgement = await _settled(stack, logs)
            for venue, entries in (await stack.ledgers()).items():
                (logs / f"{venue}.ledger.json").write_bytes(to_json(entries))
            return Report(
                seed=chosen,
                seconds=round(trio.current_time() - begun, 1),
                judgement=judgement,
                struck=await strikes.struck(logs),
            )


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


async def _settled(stack: Stack, logs: Path) -> Judgement:
    """How things stand once they have been right and quiet for a while, or are stuck."""
    quiet_since, size = trio.current_time(), -1
    while True:
        ledgers = await stack.ledgers()
        if (entries := sum(map(len, ledgers.values()))) != size:
            size, quiet_since = entries, trio.current_time()
        quiet = trio.current_time() - quiet_since
        if quiet >= _QUIET_S:
            judgement = await _judge(stack, logs, ledgers)
            if quiet >= _STUCK_S or not judgement.wrongs():
                return judgement
        await trio.sleep(_LOOK_EVERY_S)  # services and venues are other processes: nothing else tells


async def _judge(stack: Stack, logs: Path, ledgers: Ledgers) -> Judgement:
    leaders = {team.leader for team in TEAMS}
    judged = findings(ledgers, TEAMS)
    rows = await _journal(stack, logs)
    return Judgement(
        leader_events=sum(
            isinstance(entry, Executed) and entry.order.account in leaders
            for entries in ledgers.values()
            for entry in entries
        ),
        ledgers=dict(totals(judged)),
        strayed=tuple(each for each in judged if each.lost or each.duplicated),
        journal=explain(ledgers, TEAMS, rows),
        unfinished=sum(bool(row.unfinished) for row in rows),
        dead_letters=await stack.messages(schema.COPY_DLQ),
        wrong_positions=tuple(await _wrong_positions(stack, ledgers)),
    )


async def _wrong_positions(stack: Stack, ledgers: Ledgers) -> list[str]:
    """Where what we say that a client holds, a hedge's sides added up, is not what its venue executed."""
    wrong = []
    for (client, symbol), quantity in executed(ledgers, TEAMS).items():
        positions = await stack.trading.orders.positions(ClientId(client))
        held = sum((each.holding.quantity for each in positions if each.symbol == symbol), ZERO)
        if held != quantity:
            wrong.append(f"{client} {symbol}: {held}, the venue executed {quantity}")
    return wrong


async def _journal(stack: Stack, logs: Path) -> list[JournalRow]:
    """Every row of the run: each event is named in an order service's log before its message goes."""
    named = {line.event_id: None for name in ORDER_SERVICES for line in lines(logs, name) if line.event_id}
    return [row for event in named for row in await stack.trading.event_journal(EventId(event))]
