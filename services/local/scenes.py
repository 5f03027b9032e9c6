"""Scenes: what a leader or the desk does, and what must be seen of it within a time.

Seen is seen in the followers' venues' ledgers, and only what no venue can show in our own records: why an
order was denied or skipped, that a conditional one waits, and what is among the dead letters.
"""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, Protocol

import msgspec
import trio
from rich.table import Table

from services.local.stack import Stack
from services.simulator.ledger import Amended, Canceled, Entry, Executed, Kind, Placed, Rejected, Side
from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.domain.follower_orders import FollowerOrder
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.intents import Intent
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import LegKind
from spider_common.domain.quantities import canonical
from spider_common.domain.reasons import Reason

WITHIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.25

Verb = Literal["placed", "amended", "canceled", "filled"]
_VERBS: Final[Mapping[type[Entry], Verb]] = {
    Placed: "placed",
    Amended: "amended",
    Canceled: "canceled",
    Executed: "filled",
}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What has come of a scene so far.

    Attributes:
        entries: of all venues, since the scene began.
        orders: our records of orders that were planned, or told of by their venue, since.
        held: by account and instrument, venue size, signed.
        letters: why each of the dead letters was set aside.
    """

    entries: Sequence[Entry] = ()
    orders: Sequence[FollowerOrder] = ()
    held: Mapping[tuple[str, str], Decimal] = {}
    letters: Sequence[str] = ()


class Sight(Protocol):
    """Something that must be seen of an account, or of what `who` names."""

    @property
    def who(self) -> str: ...

    @property
    def words(self) -> str: ...

    def seen(self, view: View) -> bool: ...


class Traded(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a venue's ledger: placed, amended, canceled, or filled to the last.

    Attributes:
        who: the account.
        size: the whole order's, venue size; price, kind: None: any.
        conditional: a conditional order of the account's own has set it off.
    """

    who: AccountId
    symbol: str
    verb: Verb
    side: Side
    size: Decimal
    price: Decimal | None = None
    kind: Kind | None = None
    conditional: bool = False

    @property
    def words(self) -> str:
        price = "" if self.price is None else f" at {canonical(self.price)}"
        kind = "" if self.kind is None else f" {self.kind}"
        source = " by its own trigger" if self.conditional else ""
        return f"{self.verb}{kind} {self.side} {canonical(self.size)}{price}{source}"

    def seen(self, view: View) -> bool:
        return any(self._is(each) for each in view.entries)

    def _is(self, entry: Entry) -> bool:
        if isinstance(entry, Rejected) or _VERBS[type(entry)] != self.verb:
            return False
        order = entry.order
        return (
            (order.account, order.symbol, order.side, order.size)
            == (self.who, self.symbol, self.side, self.size)
            and self.price in {None, order.price}
            and self.kind in {None, order.kind}
            and (bool(order.parent) or not self.conditional)
            and (order.status == "filled" or self.verb != "filled")
        )


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has come to hold of an instrument by its venue's ledger, signed venue size."""

    who: AccountId
    symbol: str
    size: Decimal

    @property
    def words(self) -> str:
        return f"holds {canonical(self.size)}" if self.size else "flat"

    def seen(self, view: View) -> bool:
        return view.held.get((self.who, self.symbol), Decimal(0)) == self.size


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An order in our records, or why there is none.

    Attributes:
        leg, trigger: whether it opens or closes, and the price that it waits for; None: any.
    """

    who: AccountId
    venue: Venue
    state: CopyState
    reason: Reason | None = None
    leg: LegKind | None = None
    trigger: Decimal | None = None

    @property
    def words(self) -> str:
        what: list[str] = [] if self.leg is None else [self.leg]
        if self.trigger is not None:
            what.append(f"trigger at {canonical(self.trigger)}")
        reason = [] if self.reason is None else [f"({self.reason})"]
        return " ".join([*what, self.state, *reason])

    def seen(self, view: View) -> bool:
        return any(self._is(each.intent, each.state) for each in view.orders)

    def _is(self, intent: Intent, state: CopyState) -> bool:
        return (
            (intent.account.account, state, intent.reason) == (self.who, self.state, self.reason or "")
            and self.leg in {None, intent.leg}
            and self.trigger in {None, intent.trigger and intent.trigger.price}
        )


class SetAside(msgspec.Struct, frozen=True):
    """A dead letter whose reason has these words in it."""

    reason: str
    who: str = "dead letters"

    @property
    def words(self) -> str:
        return f"one, since {self.reason}"

    def seen(self, view: View) -> bool:
        return any(self.reason in each for each in view.letters)


class Stage:
    """A running system, as those who play on it have it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.orders: dict[str, str] = {}
        """Orders of the leader that a later scene names, by a name of the story's: their ids at its venue."""
        self._letters: tuple[str, ...] = ()

    async def spider(self, *arguments: str) -> bytes:
        """What a command of `spider` prints.

        Raises:
            subprocess.CalledProcessError: it ended with another code than 0.
        """
        command = [sys.executable, "-m", "services.cli", *arguments]
        environment = dict(self.stack.environment)
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, env=environment)
        assert isinstance(done.stdout, bytes), "it was captured"
        return done.stdout

    async def view(self, sights: Sequence[Sight], began: int) -> View:
        """What is to be seen now, as far as the sights ask. `began`: Unix ns."""
        entries = [each for ledger in (await self.stack.ledgers()).values() for each in ledger]
        recorded = {(each.venue, each.who) for each in sights if isinstance(each, Recorded)}
        orders: list[FollowerOrder] = []
        for venue, account in sorted(recorded):
            found = await self.stack.trading.orders.account_orders(venue, account)
            orders += [each for each in found if max(each.ts_planned, each.progress.age) >= began]
        if any(isinstance(each, SetAside) for each in sights):
            await self._look_at_letters()
        return View(
            entries=[each for each in entries if each.ts >= began],
            orders=orders,
            held=held(entries),
            letters=self._letters,
        )

    async def _look_at_letters(self) -> None:
        if not self._letters and await self.stack.messages(schema.COPY_DLQ):
            told = await self.spider("dlq", "list", "--json")
            self._letters = tuple(json.loads(line)["reason"] for line in told.splitlines())


Act = Callable[[Stage], Awaitable[None]]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is done, in words and deeds, and what must then be seen."""

    name: str
    did: str
    acts: Sequence[Act]
    sights: Sequence[Sight]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a scene and what was not, in words, by whose it is; `seconds`: how long it took."""

    scene: str
    did: str
    seen: dict[str, list[str]]
    missing: dict[str, list[str]]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.missing


def held(entries: Sequence[Entry]) -> dict[tuple[str, str], Decimal]:
    """What all executions come to, by account and instrument."""
    sums: dict[tuple[str, str], Decimal] = {}
    for each in entries:
        if isinstance(each, Executed):
            name = each.order.account, each.order.symbol
            sums[name] = sums.get(name, Decimal(0)) + each.execution.size * each.order.sign
    return sums


async def play_scene(scene: Scene, stage: Stage, within_s: float = WITHIN_S) -> Outcome:
    """Plays a scene, and looks until all of it is seen or time is up."""
    started, began = trio.current_time(), SystemClock().now()
    for act in scene.acts:
        await act(stage)
    missing = tuple(scene.sights)
    with trio.move_on_after(within_s):
        while missing:
            view = await stage.view(scene.sights, began)
            missing = tuple(each for each in scene.sights if not each.seen(view))
            if missing:
                await trio.sleep(_LOOK_EVERY_S)  # the venues are another process: nothing else tells
    return Outcome(
        scene=scene.name,
        did=scene.did,
        seen=_in_words([each for each in scene.sights if each not in missing]),
        missing=_in_words(missing),
        seconds=round(trio.current_time() - started, 1),
    )


def _in_words(sights: Sequence[Sight]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for each in sights:
        words.setdefault(each.who, []).append(each.words)
    return words


def scenes_table(outcomes: Sequence[Outcome]) -> Table:
    """One row each."""
    table = Table(title="Scenes", show_lines=True)
    for name in (
        "scene",
        "what the leader or the desk did",
        "what followers' venues or our records show",
        "ok",
    ):
        table.add_column(name)
    for each in outcomes:
        shown = [f"{who}: {', '.join(words)}" for who, words in each.seen.items()]
        shown += [f"[red]{who}: not seen: {', '.join(words)}[/]" for who, words in each.missing.items()]
        table.add_row(each.scene, each.did, "\n".join(shown), "[green]yes" if each.ok else "[red]no")
    return table
