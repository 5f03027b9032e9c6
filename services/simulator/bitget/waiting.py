"""Bitget's conditional orders while they wait, of swaps and of spot: kept, set off, pushed."""

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from operator import methodcaller
from typing import Final

from msgspec.structs import replace

from services.simulator.accounts import Account
from services.simulator.bitget import shapes, spot_shapes
from services.simulator.bitget.codes import BitgetError
from services.simulator.bitget.shapes import Fields, milliseconds, number
from services.simulator.rules import NewOrder, RefusedError, check_numbers
from services.simulator.triggers import Trigger, TriggerKind
from services.simulator.venue import Venue

_PLAN_TYPES: Final[dict[TriggerKind, str]] = {
    "entry": "normal_plan",
    "stop_loss": "loss_plan",
    "take_profit": "profit_plan",
}
_PUSHED: Final = {  # what pushes call the plan types of swaps
    "normal_plan": "pl",
    "profit_plan": "tp",
    "loss_plan": "sl",
    "pos_profit": "ptp",
    "pos_loss": "psl",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One conditional order. `row` is how its listing states it, but for its status, trigger and times.

    `made`: the order that it has set off.
    """

    order_id: str
    client_order_id: str
    account: Account
    product: str
    new: NewOrder
    kind: TriggerKind
    trigger: Trigger
    row: Fields
    ts_created: int
    ts_updated: int
    status: str = "live"
    made: str = ""

    @property
    def live(self) -> bool:
        return self.status == "live"

    def stated(self, *, status: str, symbol: str) -> Fields:
        """As a listing or a push has it, which name status and symbol each its own way."""
        return self.row | {
            "cTime": milliseconds(self.ts_created),
            "clientOid": self.client_order_id,
            "executeOrderId": self.made,
            "orderId": self.order_id,
            "triggerPrice": number(self.trigger.price),
            "uTime": milliseconds(self.ts_updated),
            status: self.status,
            symbol: self.row["symbol"],
        }

    def pushed(self) -> Fields:
        """As the orders-algo channel states it: without the order that it has set off."""
        row = self.stated(status="status", symbol="instId")
        del row["symbol"], row["executeOrderId"]
        return row | {"planType": _PUSHED.get(str(row["planType"]), row["planType"])}


class Waiting:
    """The conditional orders of one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._plans: dict[str, Plan] = {}
        venue.on_change(self.fire)
        venue.keep_conditionals(self)

    def add(
        self,
        account: Account,
        product: str,
        new: NewOrder,
        kind: TriggerKind,
        price: Decimal,
        row: Fields,
        *,
        now: int,
    ) -> Plan:
        """Keeps an order until its price comes.

        Raises:
            BitgetError: 40786, one that waits has the client order id of this one.
        """
        given = new.client_order_id
        if given and any(plan.live and plan.client_order_id == given for plan in self.of(account, product)):
            raise BitgetError("40786")
        order_id = self._venue.exchange.take_id()
        plan = Plan(
            order_id=order_id,
            client_order_id=given or f"sim{order_id}",
            account=account,
            product=product,
            new=new,
            kind=kind,
            trigger=Trigger.of(kind, price, new.side, self._venue.exchange.markets[new.symbol].price),
            row=row,
            ts_created=now,
            ts_updated=now,
        )
        self._keep(plan)
        return plan

    def of(self, account: Account, product: str) -> Iterator[Plan]:
        """An account's, the newest first."""
        return (
            plan
            for plan in reversed(self._plans.values())
            if plan.account is account and plan.product == product
        )

    def cancel(
        self, account: Account, product: str, order_id: str, client_order_id: str, now: int
    ) -> Plan | None:
        """Takes a waiting one back; None where there is none of that id."""
        for plan in self.of(account, product):
            named = plan.order_id == order_id or plan.client_order_id == client_order_id
            if named and plan.live:
                self._keep(dataclasses.replace(plan, status="cancelled", ts_updated=now))
                return plan
        return None

    def wait(self, account: Account, new: NewOrder, kind: TriggerKind, price: Decimal, now: int) -> str:
        """An order as its owner would place it by hand.

        Raises:
            RefusedError: the venue would not take it.
        """
        check_numbers(self._venue.exchange.market(new.symbol).instrument, new.size, price)
        if shapes.is_spot(new.symbol):
            if kind != "entry":
                raise RefusedError("parameter", "kind")
            product, row = spot_shapes.PRODUCT, spot_shapes.planned(new, new.size, "amount", "fill_price")
        else:
            product = shapes.PRODUCT
            row = shapes.planned(account, new, _PLAN_TYPES[kind], "fill_price", "crossed")
        return self.add(account, product, new, kind, price, row, now=now).order_id

    def move(self, account: Account, order_id: str, price: Decimal, now: int) -> None:
        """Lets one wait for another price.

        Raises:
            RefusedError: none of that id waits.
        """
        plan = self._plans.get(order_id)
        if plan is None or plan.account is not account or not plan.live:
            raise RefusedError("not_found")
        market = self._venue.exchange.markets[plan.new.symbol].price
        trigger = Trigger.of(plan.kind, price, plan.new.side, market)
        self._keep(dataclasses.replace(plan, trigger=trigger, ts_updated=now))

    def call_off(self, account: Account, order_id: str, now: int) -> None:
        """Takes one back, whichever its product. Raises RefusedError as `move`."""
        plan = self._plans.get(order_id)
        if plan is None or self.cancel(account, plan.product, order_id, "", now) is None:
            raise RefusedError("not_found")

    def fire(self) -> None:
        """Enters what the price has reached, oldest first. The order that it makes has an id of its own."""
        exchange, now = self._venue.exchange, self._venue.clock.now()
        for plan in tuple(self._plans.values()):
            known = exchange.accounts.get(plan.account.name) is plan.account  # not since a reset
            if not (plan.live and known and plan.trigger.reached(exchange.markets[plan.new.symbol].price)):
                continue
            try:
                new = replace(plan.new, client_order_id="", parent=plan.order_id)
                made, status = exchange.place(plan.account, new, now).order_id, "executed"
            except RefusedError:
                made, status = "", "fail_execute"
            self._keep(dataclasses.replace(plan, status=status, made=made, ts_updated=now))

    def _keep(self, plan: Plan) -> None:
        self._plans[plan.order_id] = plan
        self._venue.tell(plan.account.name, methodcaller("deliver_plan", plan))
