"""Bitget's conditional spot orders: taken, listed and cancelled."""

from typing import Final, Literal

import msgspec

from services.simulator.bitget import spot_shapes
from services.simulator.bitget.call import Call, Endpoint, Number, decimal
from services.simulator.bitget.codes import BitgetError, of_refusal
from services.simulator.bitget.shapes import Fields
from services.simulator.bitget.spot_shapes import PRODUCT
from services.simulator.bitget.trading import listed
from services.simulator.bitget.waiting import Waiting
from services.simulator.rules import NewOrder, RefusedError, check_numbers
from spider_common.domain.instruments import SPOT_MARK

_NOT_FOUND: Final = "43025"


class _PlanBody(msgspec.Struct, rename="camel"):
    symbol: str
    side: Literal["buy", "sell"]
    trigger_price: Number
    order_type: Literal["market", "limit"]
    size: Number
    trigger_type: Literal["fill_price", "mark_price"]
    execute_price: Number = ""
    plan_type: Literal["amount", "total"] = "amount"
    client_oid: str = ""


class _NamedBody(msgspec.Struct, rename="camel"):
    order_id: str = ""
    client_oid: str = ""


class SpotPlans:
    """The endpoints over what waits."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        return {
            ("POST", "spot/trade/place-plan-order"): Endpoint(self._place, 20, operation="place"),
            ("POST", "spot/trade/cancel-plan-order"): Endpoint(self._cancel, 20, operation="cancel"),
            ("GET", "spot/trade/current-plan-order"): Endpoint(self._current, 20),
            ("GET", "spot/trade/history-plan-order"): Endpoint(self._history, 20),
        }

    def _place(self, call: Call) -> Fields:
        body = call.body(_PlanBody)
        price, size = decimal(body.trigger_price, "triggerPrice"), decimal(body.size, "size")
        symbol, limit = body.symbol + SPOT_MARK, body.execute_price
        try:
            market = call.exchange.market(symbol)
            base = size
            if body.plan_type == "total":
                base = spot_shapes.base_size(call.exchange, symbol, size)
            check_numbers(market.instrument, base, price)
        except RefusedError as refused:
            raise of_refusal(refused) from None
        if (body.order_type == "limit") != bool(limit):
            raise BitgetError("40017", "executePrice")
        new = NewOrder(
            symbol=symbol,
            side=body.side,
            kind=body.order_type,
            size=base,
            price=decimal(limit, "executePrice") if limit else None,
            client_order_id=body.client_oid,
        )
        row = spot_shapes.planned(new, size, body.plan_type, body.trigger_type)
        plan = self._waiting.add(call.account, PRODUCT, new, "entry", price, row, now=call.now)
        return {"clientOid": plan.client_order_id, "orderId": plan.order_id}

    def _cancel(self, call: Call) -> Fields:
        body = call.body(_NamedBody)
        plan = self._waiting.cancel(call.account, PRODUCT, body.order_id, body.client_oid, call.now)
        if plan is None:
            raise BitgetError(_NOT_FOUND)
        return {"result": "success"}

    def _current(self, call: Call) -> Fields:
        return self._list(call, lives=True)

    def _history(self, call: Call) -> Fields:
        for name in ("symbol", "startTime", "endTime"):
            call.needed(name)
        return self._list(call, lives=False)

    def _list(self, call: Call, *, lives: bool) -> Fields:
        rows = (
            plan.stated(status="status", symbol="symbol")
            for plan in self._waiting.of(call.account, PRODUCT)
            if plan.live is lives
        )
        page = listed(call, rows, "orderId")
        last = page[-1]["orderId"] if page else None
        return {"nextFlag": False, "idLessThan": last, "orderList": page}
