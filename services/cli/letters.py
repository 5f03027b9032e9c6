"""The dead letters of the copy queue that the environment names."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import typer

from services.cli import show
from services.cli.config_table import author
from services.cli.reaching import open_ground, reach, read_settings
from services.cli.refusal import Refusal
from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.domain.executions import Execution
from spider_common.domain.orders import OrderFact
from spider_common.domain.quantities import canonical
from spider_common.messages import (
    DeskOrder,
    EquityUpdate,
    FollowerUpdate,
    LeaderOrder,
    PositionUpdate,
    UnreadableMessage,
    decode,
)
from spider_common.settings import CommonSettings
from spider_common.stores.audit import Audit
from spider_common.stores.dead_letters import Letter, Look, look
from spider_common.stores.queue import QueueError
from spider_common.stores.table import TableError

T = TypeVar("T")
Looker = Callable[[], AbstractAsyncContextManager[Look]]
_SHOWN_OF_UNREADABLE: Final = 60  # characters
_SHORT: Final = 12  # digits of an id in tables: enough to tell letters apart


class Chosen(NamedTuple):
    """Which letters a command is about: by id or its beginning, by words of the reason; all without both."""

    ids: Collection[str] = ()
    reason: str = ""

    def of(self, letters: Sequence[Letter]) -> list[Letter]:
        return [
            each
            for each in letters
            if self.reason.lower() in each.reason.lower()
            and (not self.ids or any(each.letter_id.startswith(name) for name in self.ids))
        ]


class Seen(NamedTuple):
    """What a look has found, and how many more letters there are."""

    letters: list[Letter]
    unseen: int


class Done(NamedTuple):
    """The letters that were redriven or dropped, and those of them that are still there for somebody else."""

    letters: list[Letter]
    left: list[Letter]


def look_at(chosen: Chosen) -> Seen:
    """The letters that are chosen, each still where it was.

    Raises:
        Refusal: a queue or the table of the audit does not answer.
    """

    async def seen(looker: Looker) -> Seen:
        async with looker() as held:
            return Seen(chosen.of(held.letters), held.unseen)

    return _run(seen)


def redrive(chosen: Chosen) -> Done:
    """Sends them back to their queue, also those that come in sight behind the first of their group."""
    by = author()
    sent: set[str] = set()  # dedup ids

    async def redriven(looker: Looker) -> Done:
        done = Done([], [])
        while True:
            async with looker() as held:
                # one that has come back in the meantime has had its chance
                letters = [each for each in chosen.of(held.letters) if each.dedup not in sent]
                if not letters:
                    return done
                sent.update(name for each in letters for name in (each.dedup, each.again.dedup))
                done.left.extend(await held.redrive(letters, by))
                done.letters.extend(letters)

    return _run(redriven)


def drop(letters: Sequence[Letter]) -> Done:
    """Deletes the letters that were looked at before, and no others."""
    by, ids = author(), {each.letter_id for each in letters}

    async def dropped(looker: Looker) -> Done:
        async with looker() as held:
            letters = [each for each in held.letters if each.letter_id in ids]
            return Done(letters, await held.drop(letters, by))

    return _run(dropped)


def found_by(chosen: Chosen, letters: Sequence[Letter]) -> list[Letter]:
    """The letters, each of them meant by one id.

    Raises:
        Refusal: an id means none of them, or several.
    """
    for name in chosen.ids:
        meant = {each.letter_id for each in letters if each.letter_id.startswith(name)}
        if not meant:
            raise Refusal(f"ID: no dead letter {name} is to be seen; `spider dlq list` tells which are")
        if len(meant) > 1:
            raise Refusal(f"ID: {name} begins {len(meant)} ids; write more digits of the one that is meant")
    return list(letters)


def short(letter: Letter) -> str:
    """Its id in tables."""
    return letter.letter_id[:_SHORT]


def print_letters(title: str, letters: Sequence[Letter], *, as_json: bool) -> None:
    """One line each."""
    if as_json:
        show.print_json(*map(_whole, letters))
        return
    now = SystemClock().now()
    show.print_table(
        f"{title}: {len(letters)}",
        ("id", "group", "set aside", "receives", "reason", "message"),
        (
            (
                short(each),
                each.group,
                f"{show.age(now - each.ts_set_aside)} ago",
                str(each.receives),
                each.reason,
                in_words(each.body),
            )
            for each in letters
        ),
    )


def print_done(done: Done, title: str, *, as_json: bool) -> None:
    """What was done; code 1 when a letter is still there."""
    print_letters(title, done.letters, as_json=as_json)
    for letter in done.left:
        typer.echo(f"{short(letter)} is still there: somebody else holds it; try again later", err=True)
    if done.left:
        raise typer.Exit(1)


def print_letter(letter: Letter, *, as_json: bool) -> None:
    """All of it."""
    whole = _whole(letter)
    if as_json:
        show.print_json(whole)
        return
    for name, value in whole.items():
        typer.echo(f"{name}: {show.moment(value) if name == 'ts_set_aside' else value}")


def in_words(body: str) -> str:
    """What message it is, for people."""
    try:
        message = decode(body)
    except UnreadableMessage:
        return f"unreadable: {body[:_SHOWN_OF_UNREADABLE]}"
    match message:
        case LeaderOrder(event=event):
            fact = event.fact
            return (
                f"event {fact.event_id} for {event.product}, shard {event.shard} of {event.shards}: "
                f"leader {fact.account} at {fact.venue}, {_order(fact)}"
            )
        case DeskOrder(event=event):
            asked = f"{event.action} {event.symbol} of {event.client}, {event.cause}"
            return (
                f"event {event.event_id} for {event.product}, shard {event.shard} of {event.shards}: {asked}"
            )
        case PositionUpdate(account=account, venue=venue, positions=positions):
            return f"account {account} at {venue} holds {len(positions)} positions"
        case FollowerUpdate(fact=told, execution=fill):
            parts = [_order(told)] if told else []
            parts += [_fill(fill)] if fill else []
            return f"follower {message.account} at {message.venue}: {'; '.join(parts) or 'nothing'}"
        case EquityUpdate(equity=equity):
            worth = f"{canonical(equity.equity)} {equity.currency}"
            return f"account {equity.account} at {message.venue} is worth {worth}"


def _whole(letter: Letter) -> dict[str, Any]:
    """All of it but what it was held by."""
    fields = msgspec.structs.asdict(letter)
    del fields["receipt"]
    return {**fields, "message": in_words(letter.body)}


@asynccontextmanager
async def open_looker(chosen: CommonSettings) -> AsyncIterator[Looker]:
    """Looks at the dead letters that the settings name."""
    async with open_ground(chosen) as ground:
        dead, source = await ground.queue(schema.COPY_DLQ), await ground.queue(schema.COPY)
        audit = Audit(ground.table(schema.CONFIG))
        yield lambda: look(dead, source, audit)


def _run(work: Callable[[Looker], Awaitable[T]]) -> T:
    chosen = read_settings(os.environ)

    async def with_looker() -> T:
        async with open_looker(chosen) as looker:
            return await work(looker)

    return reach(f"queue {chosen.names_prefix}{schema.COPY_DLQ.name}", with_looker, QueueError, TableError)


def _order(fact: OrderFact) -> str:
    named = f"order {fact.client_order_id or fact.venue_order_id}"
    filled = f"{canonical(fact.cum_filled)} of {canonical(fact.quantity)}"
    return f"{named}: {fact.side} {fact.symbol}, {fact.status}, filled {filled}"


def _fill(fill: Execution) -> str:
    return (
        f"fill {fill.trade_id} of order {fill.client_order_id or fill.venue_order_id}: "
        f"{fill.side} {canonical(fill.quantity)} {fill.symbol} at {canonical(fill.price)}"
    )
