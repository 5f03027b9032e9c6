"""A leader's session as data: seeded, scripted, and played against a venue. Only `play` waits."""

import random
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import msgspec
import trio

from services.simulator.actions import Action, Amend, Arm, Cancel, DropSockets, Place, SetPrice
from services.simulator.faults import Fault
from services.simulator.instruments import Instrument
from services.simulator.ledger import Kind, Side
from services.simulator.rules import NewOrder
from spider_common.clock import NS_PER_S


class Pause(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag="pause"):
    """Time passes between two actions, in ns."""

    duration: int


Step = Action | Pause


async def play(steps: Sequence[Step], act: Callable[[Action], Awaitable[object]], *, speed: float) -> None:
    """Plays steps by Trio's clock; `speed` 2.0 halves every pause."""
    for step in steps:
        if isinstance(step, Pause):
            await trio.sleep(step.duration / NS_PER_S / speed)
        else:
            await act(step)


def leader_session(
    rng: random.Random, instruments: Sequence[Instrument], *, leader: str, rounds: int = 1
) -> tuple[Step, ...]:
    """A session over the given swaps: 13 orders an instrument and round, told in an order that `rng` mixes.

    Each instrument sees an opening in parts, adds by limit orders (one amended, one cancelled untouched, one
    cancelled half-way), a partial and a full close, a short, and a flip to long; the last instrument ends
    flat, the others do not. A push is doubled after a quarter, and the leader's sockets break half-way.
    """
    stories = [_Story(rng, item, leader).tell(rounds, flat=item is instruments[-1]) for item in instruments]
    beats: list[list[Step]] = []
    while any(stories):
        story = rng.choice([story for story in stories if story])
        beats.append(story.pop(0))
    steps: list[Step] = []
    for index, beat in enumerate(beats):
        if index == len(beats) // 4:
            steps.append(Arm(fault=Fault(kind="duplicate_push", account=leader)))
        if index == len(beats) // 2:
            steps.append(DropSockets(account=leader))  # and the next beat comes at once
        else:
            steps.append(Pause(duration=rng.randint(200, 1500) * 1_000_000))
        steps.extend(beat)
    return tuple(steps)


class _Story:
    """One instrument's part, beat by beat. Follows the position that the script leads to."""

    def __init__(self, rng: random.Random, instrument: Instrument, leader: str) -> None:
        self._rng = rng
        self._instrument = instrument
        self._leader = leader
        self._price = instrument.price
        self._held = Decimal(0)
        self._orders = 0
        self._beats: list[list[Step]] = []

    def tell(self, rounds: int, *, flat: bool) -> list[list[Step]]:
        for _ in range(rounds):
            self._long_side()
            self._short_side()
        if flat:
            self._market(-self._held, reduce_only=True)
        return self._beats

    def _long_side(self) -> None:
        self._market(self._size() - min(self._held, Decimal(0)), parts=True)
        self._resting("limit", cancelled=None)
        self._amended()
        self._resting("limit", cancelled="untouched")
        self._resting("limit", cancelled="half-way")
        self._market(-self._share(), reduce_only=True)
        self._ioc()
        self._market(-self._held, reduce_only=True)

    def _short_side(self) -> None:
        self._market(-self._size(), parts=True)
        self._market(-self._size())
        self._market(self._share(), reduce_only=True)
        self._market(self._size() - self._held, parts=True)  # through flat to the other side
        self._resting("post_only", cancelled=None)

    # Kinds of beat

    def _market(self, signed: Decimal, *, parts: bool = False, reduce_only: bool = False) -> None:
        depth = self._lots(abs(signed) / 4) if parts else None
        self._beats.append(
            [
                self._move(self._ticks(-20, 20), depth),
                self._place("market", signed, None, reduce_only=reduce_only),
            ]
        )
        self._held += signed

    def _ioc(self) -> None:
        """Takes what waits at the price and gives the rest back."""
        size = self._size()
        depth = self._lots(size / 2)
        move = self._move(self._ticks(-20, 20), depth)
        self._beats.append([move, self._place("ioc", size, self._price)])
        self._held += depth

    def _resting(self, kind: Kind, *, cancelled: str | None) -> None:
        """A buy below the market that fills in two parts, unless it is cancelled before."""
        size = self._size()
        begin = self._move(self._ticks(-20, 20), None)
        limit = self._price - self._ticks(5, 20)
        placed = self._place(kind, size, limit)
        identity = placed.order.client_order_id
        cancel = Cancel(account=self._leader, symbol=self._instrument.symbol, client_order_id=identity)
        half = self._lots(size / 2)
        if cancelled == "untouched":
            self._beats += [[begin, placed], [cancel]]
            return
        touch = self._move(limit - self._price, half)
        self._held += half
        if cancelled == "half-way":
            self._beats += [[begin, placed], [touch], [cancel]]
            return
        self._beats += [[begin, placed], [touch], [self._move(-self._ticks(1, 5), None)]]
        self._held += size - half

    def _amended(self) -> None:
        """A buy far below the market, made larger and brought nearer, then filled."""
        size = self._size()
        begin = self._move(self._ticks(-20, 20), None)
        placed = self._place("limit", size, self._price - self._ticks(200, 400))
        limit, size = self._price - self._ticks(5, 20), size + self._instrument.lot * 10
        amend = Amend(
            account=self._leader,
            symbol=self._instrument.symbol,
            client_order_id=placed.order.client_order_id,
            size=size,
            price=limit,
        )
        self._beats += [[begin, placed], [amend], [self._move(limit - self._price, None)]]
        self._held += size

    # Pieces

    def _place(
        self, kind: Kind, signed: Decimal, price: Decimal | None, *, reduce_only: bool = False
    ) -> Place:
        self._orders += 1
        side: Side = "buy" if signed > 0 else "sell"
        order = NewOrder(
            symbol=self._instrument.symbol,
            side=side,
            kind=kind,
            size=abs(signed),
            price=price,
            reduce_only=reduce_only,
            client_order_id=f"leader{self._instrument.base.lower()}{self._orders}",
        )
        return Place(account=self._leader, order=order)

    def _move(self, by: Decimal, depth: Decimal | None) -> SetPrice:
        self._price += by
        return SetPrice(symbol=self._instrument.symbol, price=self._price, depth=depth)

    def _ticks(self, low: int, high: int) -> Decimal:
        return self._rng.randint(low, high) * self._instrument.tick

    def _size(self) -> Decimal:
        return self._rng.randint(500, 3000) * self._instrument.lot

    def _share(self) -> Decimal:
        """A part of what is held, unsigned."""
        return self._lots(abs(self._held) * self._rng.randint(20, 60) / 100)

    def _lots(self, size: Decimal) -> Decimal:
        return size // self._instrument.lot * self._instrument.lot
