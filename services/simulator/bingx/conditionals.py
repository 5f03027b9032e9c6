"""Orders that wait for a price: stop losses, take profits and entries. Pure.

A conditional that fires is FILLED with nothing executed, and makes a market or limit order of its own,
which names it (`triggerOrderId`). The sockets of swaps hear of it as of any other order; a fault that drops
such a push is what the documentation warns of.
"""

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from operator import methodcaller
from typing import Final, Literal

from msgspec.structs import replace

from services.simulator.accounts import Account
from services.simulator.bingx.codes import BingxError
from services.simulator.rules import NewOrder, RefusedError, check_numbers
from services.simulator.triggers import Trigger, TriggerKind
from services.simulator.venue import Venue

Status = Literal["NEW", "FILLED", "CANCELLED", "FAILED"]

_KINDS: Final[dict[tuple[TriggerKind, bool], str]] = {
    ("stop_loss", True): "STOP_MARKET",
    ("stop_loss", False): "STOP",
    ("take_profit", True): "TAKE_PROFIT_MARKET",
    ("take_profit", False): "TAKE_PROFIT",
    ("entry", True): "TRIGGER_MARKET",
    ("entry", False): "TRIGGER_LIMIT",
}


_KIND_OF: Final = {name: kind for (kind, _), name in _KINDS.items()}
KINDS: Final = {name: market for (_, market), name in _KINDS.items()}
"""By type, whether it is a market order when it fires."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Conditional:
    """One waiting order."""

    order_id: str
    account: Account
    new: NewOrder
    kind: str
    trigger: Trigger
    ts_created: int
    ts_updated: int
    status: Status = "NEW"

    @property
    def stop_price(self) -> Decimal:
        return self.trigger.price


class Conditionals:
    """What waits at one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._orders: dict[str, Conditional] = {}
        venue.on_change(self.fire)
        venue.keep_conditionals(self)

    def place(self, account: Account, new: NewOrder, kind: str, stop_price: Decimal, now: int) -> Conditional:
        """Keeps an order until its price comes.

        Raises:
            BingxError: a number is wrong, or stop losses or take profits would be for more than is held.
        """
        market = self._venue.exchange.market(new.symbol)
        try:
            check_numbers(market.instrument, new.size, new.price)
        except RefusedError as refused:
            raise BingxError("101400", refused.parameter) from None
        if stop_price <= 0 or stop_price % market.instrument.tick:
            raise BingxError("109400", "stopPrice")
        waits_for = _KIND_OF[kind]
        if waits_for != "entry":
            self._check_size(account, new, kind)
        order = Conditional(
            order_id=self._venue.exchange.take_id(),
            account=account,
            new=new,
            kind=kind,
            trigger=Trigger.of(waits_for, stop_price, new.side, market.price),
            ts_created=now,
            ts_updated=now,
        )
        return self._keep(order)

    def wait(self, account: Account, new: NewOrder, kind: TriggerKind, price: Decimal, now: int) -> str:
        """An order as its owner would place it by hand.

        Raises:
            RefusedError: the venue would not take it.
        """
        if self._venue.exchange.market(new.symbol).instrument.kind == "spot":
            raise RefusedError("parameter", "kind")
        try:
            unnamed = replace(new, client_order_id="")  # the venue keeps no id of these
            return self.place(account, unnamed, _KINDS[kind, new.price is None], price, now).order_id
        except BingxError as error:
            raise RefusedError("parameter", str(error)) from None

    def move(self, account: Account, order_id: str, price: Decimal, now: int) -> None:
        """Lets one wait for another price. Raises RefusedError: none of that id waits."""
        order = self.find(account, order_id)
        if order is None or order.status != "NEW":
            raise RefusedError("not_found")
        market = self._venue.exchange.market(order.new.symbol)
        trigger = Trigger.of(_KIND_OF[order.kind], price, order.new.side, market.price)
        self._keep(dataclasses.replace(order, trigger=trigger, ts_updated=now))

    def call_off(self, account: Account, order_id: str, now: int) -> None:
        """Takes one back. Raises RefusedError as `move`."""
        if self.cancel(account, order_id, now) is None:
            raise RefusedError("not_found")

    def _check_size(self, account: Account, new: NewOrder, kind: str) -> None:
        """All that waits on one side of the price may not be more than the position."""
        held = account.position(new.symbol, new.leg)
        waiting = sum(
            other.new.size
            for other in self.of(account)
            if other.status == "NEW"
            and (other.new.symbol, other.new.leg) == (new.symbol, new.leg)
            and other.kind.startswith(kind[:4])
        )
        if held.reduction(new.signed) < new.size or waiting + new.size > abs(held.size):
            raise BingxError("101205")

    def of(self, account: Account) -> Iterator[Conditional]:
        """An account's, the newest first."""
        return (order for order in reversed(self._orders.values()) if order.account is account)

    def find(self, account: Account, order_id: str) -> Conditional | None:
        return next((order for order in self.of(account) if order.order_id == order_id), None)

    def cancel(self, account: Account, order_id: str, now: int) -> Conditional | None:
        """Takes a waiting one back; None where there is none of that id."""
        order = self.find(account, order_id)
        if order is None or order.status != "NEW":
            return None
        return self._keep(dataclasses.replace(order, status="CANCELLED", ts_updated=now))

    def _keep(self, order: Conditional) -> Conditional:
        self._orders[order.order_id] = order
        self._venue.tell(order.account.name, methodcaller("conditional", order))
        return order

    def fire(self) -> None:
        """Enters what the price has reached, oldest first."""
        exchange, now = self._venue.exchange, self._venue.clock.now()
        for order in tuple(self._orders.values()):
            known = exchange.accounts.get(order.account.name) is order.account  # not since a reset
            if (
                order.status != "NEW"
                or not known
                or not order.trigger.reached(exchange.market(order.new.symbol).price)
            ):
                continue
            status: Status = "FILLED"
            try:
                exchange.place(order.account, replace(order.new, parent=order.order_id), now)
            except RefusedError:
                status = "FAILED"
            self._keep(dataclasses.replace(order, status=status, ts_updated=now))
