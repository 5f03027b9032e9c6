"""`make demo`: sessions of three leaders copied across three venues through the whole system, then judged.
After them a fourth leader and the desk play scenes (`story`).

Exit code 0 only if the venues' ledgers show that nothing was lost and nothing doubled, and each scene was
seen.
"""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import trio
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.local.cast import seed_story
from services.local.judge import LISTED, findings
from services.local.latency import Copy, Latency, copies, percentile
from services.local.recorded import recorded_session
from services.local.scenes import Outcome, Scene, Stage, play_scene, scenes_table
from services.local.seed import ONE_VENUE, THREE_VENUES, Team
from services.local.stack import Provide, Stack, open_stack
from services.local.story import story
from services.simulator.actions import Action
from services.simulator.checker import Finding, totals
from services.simulator.instruments import Instrument
from services.simulator.ledger import Executed
from services.simulator.scenario import Step, leader_session, play
from spider_common.domain.identifiers import Venue
from spider_common.domain.quantities import canonical

SPEED: Final = 2.5
_SETTLE_WITHIN_S: Final = 60.0
_QUIET_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.25


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """demo.json: counts from the venues' ledgers, times from the order service's log.

    A flip of the leader is copied by two orders (`copies_split` of them), a missed push is made up
    together with the next (`copies_coalesced`): expected = placed - split + coalesced, when all is well.
    The scenes are not among the counts.
    """

    leader_events: int
    copies_expected: int
    copies_placed: int
    copies_split: int
    copies_coalesced: int
    copies_skipped: int
    lost: int
    duplicated: int
    latency_ms: dict[str, dict[str, float]]
    scenes: tuple[Outcome, ...]


async def demo(*, chosen: int, logs: Path, report: Path, console: Console, provide: Provide) -> int:
    """Plays the session of a seed; returns the exit code."""
    rng = random.Random(chosen)  # noqa: S311 a script of trades, nothing secret
    scripts = {team: script(rng, team) for team in THREE_VENUES}
    console.print("Starting AWS (moto), Redis (Valkey), the simulated venues, ingest and order service ...")
    seed, late = seed_story(rng, THREE_VENUES)
    async with open_stack(seed, logs, provide=provide) as stack:
        for what, where in stack.provided.told.items():
            console.print(f"{what}: {where}")
        with Progress(console=console) as progress:
            async with trio.open_nursery() as nursery:
                for team, steps in scripts.items():
                    nursery.start_soon(lead, stack, team, steps, progress)
            waiting = progress.add_task("Copies settle", total=None)
            judged = await settled(stack, THREE_VENUES)
            progress.update(waiting, total=1, completed=1)
            ledgers, told = await stack.ledgers(), copies(logs / "oms.log")
            scenes = await play_all(story(late), stack, progress)
    leaders = {team.leader for team in THREE_VENUES}
    leader_events = sum(
        isinstance(entry, Executed) and entry.order.account in leaders
        for entries in ledgers.values()
        for entry in entries
    )
    counts, times = totals(judged), [each.latency_ms for each in told if each.latency_ms is not None]
    summary = Report(
        leader_events=leader_events,
        copies_expected=counts["expected"],
        copies_placed=counts["placed"],
        copies_split=counts["split"],
        copies_coalesced=counts["coalesced"],
        copies_skipped=counts["skipped"],
        lost=counts["lost"],
        duplicated=counts["duplicated"],
        latency_ms=_summary(times),
        scenes=scenes,
    )
    report.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")  # noqa: ASYNC240 once, at the end
    console.print(_copies_table(judged, told), _latency_table(summary.latency_ms, len(times)))
    console.print(scenes_table(scenes))
    console.print(
        f"[bold]{leader_events} leader fills, {counts['expected']} copies expected, "
        f"lost {counts['lost']}, duplicated {counts['duplicated']}; "
        f"{sum(each.ok for each in scenes)} of {len(scenes)} scenes seen[/bold]; {report}"
    )
    copied = counts["lost"] == counts["duplicated"] == 0 and counts["placed"]
    return 0 if copied and all(each.ok for each in scenes) else 1


def script(rng: random.Random, team: Team) -> tuple[Step, ...]:
    """What a team's leader does; OKX's replays the documented pushes first."""
    steps = leader_session(rng, swaps(team.venue), leader=team.leader)
    return (*recorded_session(team.leader), *steps) if team.venue is Venue.OKX else steps


def swaps(venue: Venue) -> list[Instrument]:
    """What a leader trades at a venue: all that OKX lists, one coin at the others."""
    listed = [each for each in LISTED[venue] if each.kind == "swap"]
    return listed if venue is Venue.OKX else [each for each in listed if each.base == "BTC"]


async def lead(stack: Stack, team: Team, steps: Sequence[Step], progress: Progress) -> None:
    """Plays a leader's session."""
    task = progress.add_task(f"{team.leader} trades", total=len(steps))

    async def act(step: Action) -> None:
        await stack.act(step, team.venue)
        progress.advance(task)

    await play(steps, act, speed=SPEED)
    progress.update(task, completed=len(steps))


async def play_all(scenes: Sequence[Scene], stack: Stack, progress: Progress) -> tuple[Outcome, ...]:
    """Plays scenes one after the other."""
    task, stage = progress.add_task("Scenes", total=len(scenes)), Stage(stack)
    outcomes = []
    for scene in scenes:
        progress.update(task, description=f"Scene: {scene.name}")
        outcomes.append(await play_scene(scene, stage))
        progress.advance(task)
    progress.update(task, description="Scenes")
    return tuple(outcomes)


async def settled(
    stack: Stack, teams: Sequence[Team] = ONE_VENUE, within_s: float = _SETTLE_WITHIN_S
) -> tuple[Finding, ...]:
    """The judgement once the ledgers have been complete and quiet for a while, or when time is up."""
    quiet_since = trio.current_time()
    size = -1
    judged: tuple[Finding, ...] = ()
    with trio.move_on_after(within_s):
        while True:
            ledgers = await stack.ledgers()
            judged = findings(ledgers, teams)
            entries = sum(map(len, ledgers.values()))
            if entries != size or totals(judged)["lost"]:
                size, quiet_since = entries, trio.current_time()
            elif trio.current_time() - quiet_since >= _QUIET_S:
                break
            await trio.sleep(_LOOK_EVERY_S)  # the venues are another process: nothing else tells
    return judged


def _summary(times: Sequence[Latency]) -> dict[str, dict[str, float]]:
    stages = {
        "total": [each.total for each in times],
        "code": [each.code for each in times],
        "queue": [each.queue for each in times],
        "venue": [each.venue for each in times],
    }
    return {
        name: {"p50": round(percentile(values, 0.5), 1), "p99": round(percentile(values, 0.99), 1)}
        for name, values in stages.items()
    }


def _copies_table(judged: Sequence[Finding], told: Sequence[Copy]) -> Table:
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for copy in told:
        if copy.reason:
            reasons.setdefault((copy.account, copy.symbol), Counter())[copy.reason] += 1
    table = Table("follower", "instrument", title="Copies, judged by the venues' ledgers")
    for name in (
        "expected",
        "copied",
        "split",
        "coalesced",
        "skipped",
        "lost",
        "doubled",
        "target",
        "actual",
    ):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for each in judged:
        target = canonical(each.target_low)
        if each.target_high != each.target_low:
            target += f" .. {canonical(each.target_high)}"
        counted = reasons.get((each.follower, each.symbol), Counter())
        table.add_row(
            each.follower,
            each.symbol,
            str(each.expected),
            str(each.placed),
            str(each.split),
            str(each.coalesced),
            str(each.skipped),
            f"[{'red' if each.lost else 'green'}]{each.lost}",
            f"[{'red' if each.duplicated else 'green'}]{each.duplicated}",
            target,
            canonical(each.actual),
            ", ".join(f"{reason} {count}" for reason, count in sorted(counted.items())),
        )
    return table


def _latency_table(summary: dict[str, dict[str, float]], count: int) -> Table:
    table = Table(
        "stage", title=f"Copy latency of {count} orders, ms, from the push read to the order accepted"
    )
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    words = {"total": "whole way", "code": "our code and journal", "queue": "queue", "venue": "venue"}
    for name, values in summary.items():
        table.add_row(words[name], f"{values['p50']:.1f}", f"{values['p99']:.1f}")
    return table
