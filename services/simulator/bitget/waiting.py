"""Bitget's conditional orders while they wait, of swaps and of spot: kept, set off, pushed."""

import dataclasses
from collections.abc import Iterator
from operator import methodcaller
from typing import Final

from msgspec.structs import replace

from services.simulator.accounts import Account
from services.simulator.bitget.codes import BitgetError
from services.simulator.bitget.shapes import Fields, milliseconds
from services.simulator.rules import NewOrder, RefusedError
from services.simulator.triggers import Trigger
from services.simulator.venue import Venue

_APART: Final = 1_000_000_000_000_000  # from the engine's order ids, which count from the time of opening


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One conditional order. `row` is how its listing states it, but for its status and times."""

    order_id: str
    client_order_id: str
    account: Account
    product: str
    new: NewOrder
    trigger: Trigger
    row: Fields
    ts_created: int
    ts_updated: int
    status: str = "live"

    @property
    def live(self) -> bool:
        return self.status == "live"

    def stated(self, *, status: str, symbol: str) -> Fields:
        """As a listing or a push has it, which name status and symbol each its own way."""
        return self.row | {
            "cTime": milliseconds(self.ts_created),
            "clientOid": self.client_order_id,
            "orderId": self.order_id,
            "uTime": milliseconds(self.ts_updated),
            status: self.status,
            symbol: self.row["symbol"],
        }

    def pushed(self) -> Fields:
        """As the orders-algo channel states it."""
        row = self.stated(status="status", symbol="instId")
        del row["symbol"]
        return row


class Waiting:
    """The conditional orders of one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._next = venue.clock.now() + _APART
        self._plans: dict[str, Plan] = {}
        venue.on_change(self.fire)

    def add(
        self,
        account: Account,
        product: str,
        new: NewOrder,
        trigger: Trigger,
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
        self._next += 1
        plan = Plan(
            order_id=str(self._next),
            client_order_id=given or f"sim{self._next}",
            account=account,
            product=product,
            new=new,
            trigger=trigger,
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

    def fire(self) -> None:
        """Enters what the price has reached, oldest first. The order that it makes has an id of its own."""
        exchange, now = self._venue.exchange, self._venue.clock.now()
        for plan in tuple(self._plans.values()):
            known = exchange.accounts.get(plan.account.name) is plan.account  # not since a reset
            if not (plan.live and known and plan.trigger.reached(exchange.markets[plan.new.symbol].price)):
                continue
            status = "executed"
            try:
                exchange.place(plan.account, replace(plan.new, client_order_id=""), now)
            except RefusedError:
                status = "fail_execute"
            self._keep(dataclasses.replace(plan, status=status, ts_updated=now))

    def _keep(self, plan: Plan) -> None:
        self._plans[plan.order_id] = plan
        self._venue.tell(plan.account.name, methodcaller("deliver_plan", plan))
