"""Bitget's conditional orders of swaps (trigger, stop loss, take profit): taken, listed and cancelled."""

from typing import Final, Literal

import msgspec

from services.simulator.bitget import shapes
from services.simulator.bitget.call import Call, Endpoint, Number, decimal
from services.simulator.bitget.codes import BitgetError, of_refusal
from services.simulator.bitget.shapes import PRODUCT, Fields, is_spot
from services.simulator.bitget.trading import page
from services.simulator.bitget.waiting import Waiting
from services.simulator.ledger import Leg, Side
from services.simulator.rules import NewOrder, RefusedError, check_numbers
from services.simulator.triggers import TriggerKind

_LISTS: Final = {
    "normal_plan": ("normal_plan",),
    "track_plan": (),
    "profit_loss": ("profit_plan", "loss_plan", "pos_profit", "pos_loss"),
}
_KINDS: Final[dict[str, TriggerKind]] = {
    "normal_plan": "entry",
    "profit_plan": "take_profit",
    "loss_plan": "stop_loss",
    "pos_profit": "take_profit",
    "pos_loss": "stop_loss",
}
_CLOSING: Final[dict[Side, Side]] = {"buy": "sell", "sell": "buy"}  # of a position of that side


class _PlanBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    plan_type: Literal["normal_plan", "profit_plan", "loss_plan", "pos_profit", "pos_loss"]
    trigger_price: Number
    trigger_type: Literal["fill_price", "mark_price"]
    size: Number
    margin_coin: str
    margin_mode: Literal["crossed", "isolated"] = "crossed"
    side: Literal["", "buy", "sell"] = ""
    order_type: Literal["market", "limit"] = "market"
    trade_side: str = ""
    hold_side: Literal["", "long", "short", "buy", "sell"] = ""
    price: Number = ""
    execute_price: Number = ""
    client_oid: str = ""
    reduce_only: str = "NO"


class _Named(msgspec.Struct, rename="camel"):
    order_id: str = ""
    client_oid: str = ""


class _CancelBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    order_id_list: list[_Named]


class Plans:
    """The endpoints over what waits."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        return {
            ("POST", "mix/order/place-plan-order"): Endpoint(self._place, 10, operation="place"),
            ("POST", "mix/order/place-tpsl-order"): Endpoint(self._place, 10, operation="place"),
            ("POST", "mix/order/cancel-plan-order"): Endpoint(self._cancel, 10, operation="cancel"),
            ("GET", "mix/order/orders-plan-pending"): Endpoint(self._pending, 10),
            ("GET", "mix/order/orders-plan-history"): Endpoint(self._history, 10),
        }

    def _place(self, call: Call) -> Fields:
        body = call.body(_PlanBody)
        if body.product_type.upper() != PRODUCT or is_spot(body.symbol):
            raise BitgetError("40034", "productType")
        size, price = decimal(body.size, "size"), decimal(body.trigger_price, "triggerPrice")
        limit = body.price or body.execute_price
        try:
            check_numbers(call.exchange.market(body.symbol).instrument, size, price)
        except RefusedError as refused:
            raise of_refusal(refused) from None
        side, leg, reduces = _works_on(body)
        new = NewOrder(
            symbol=body.symbol,
            side=side,
            kind="limit" if limit else "market",
            size=size,
            price=decimal(limit, "price") if limit else None,
            leg=leg,
            reduce_only=reduces and leg == "net",
            client_order_id=body.client_oid,
        )
        row = shapes.planned(call.account, new, body.plan_type, body.trigger_type, body.margin_mode)
        plan = self._waiting.add(call.account, PRODUCT, new, _KINDS[body.plan_type], price, row, now=call.now)
        return {"clientOid": plan.client_order_id, "orderId": plan.order_id}

    def _cancel(self, call: Call) -> Fields:
        done: list[Fields] = []
        failed: list[Fields] = []
        for named in call.body(_CancelBody).order_id_list:
            plan = self._waiting.cancel(call.account, PRODUCT, named.order_id, named.client_oid, call.now)
            if plan is None:
                ids: Fields = {"clientOid": named.client_oid, "orderId": named.order_id}
                failed.append(ids | {"errorMsg": "No order to cancel"})
            else:
                done.append({"clientOid": plan.client_order_id, "orderId": plan.order_id})
        return {"successList": done, "failureList": failed}

    def _pending(self, call: Call) -> Fields:
        return self._list(call, lives=True)

    def _history(self, call: Call) -> Fields:
        return self._list(call, lives=False)

    def _list(self, call: Call, *, lives: bool) -> Fields:
        call.needs_product()
        kinds = _LISTS.get(call.needed("planType"))
        if kinds is None:
            raise BitgetError("40034", "planType")
        stated = (
            plan.stated(status="planStatus", symbol="symbol")
            for plan in self._waiting.of(call.account, PRODUCT)
            if plan.live is lives and plan.row["planType"] in kinds
        )
        return page(call, stated, "entrustedList", "orderId")


def _works_on(body: _PlanBody) -> tuple[Side, Leg, bool]:
    """Side, position and whether it closes; a stop loss or take profit names only what it closes.

    Raises:
        BitgetError: 40017, it names neither.
    """
    if body.hold_side:
        side: Side = "sell" if body.hold_side in ("long", "buy") else "buy"
        hedged: Leg = "long" if body.hold_side == "long" else "short"
        return side, hedged if body.hold_side in ("long", "short") else "net", True
    if not body.side:
        raise BitgetError("40017", "side")
    if not body.trade_side:
        return body.side, "net", body.reduce_only.upper() == "YES"
    closes = body.trade_side.lower() == "close"
    return _CLOSING[body.side] if closes else body.side, "long" if body.side == "buy" else "short", closes
