"""Bitget's conditional orders (trigger, stop loss, take profit): taken, listed and cancelled.

They wait. No price sets them off here, which a test that needs it does by placing the order itself.
"""

from typing import Final, Literal

import msgspec

from services.simulator.accounts import Account
from services.simulator.bitget.call import Call, Endpoint, Number, decimal
from services.simulator.bitget.codes import BitgetError, of_refusal
from services.simulator.bitget.shapes import COIN, PRODUCT, Fields, milliseconds, mode_of, number
from services.simulator.rules import RefusedError, check_numbers
from services.simulator.venue import Venue

_LISTS: Final = {
    "normal_plan": ("normal_plan",),
    "track_plan": (),
    "profit_loss": ("profit_plan", "loss_plan", "pos_profit", "pos_loss"),
}


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
    """The conditional orders of one venue, by account, oldest first, as its listings state them."""

    def __init__(self, venue: Venue) -> None:
        self._next = venue.clock.now()
        self._rows: dict[str, tuple[Account, list[Fields]]] = {}

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        return {
            ("POST", "mix/order/place-plan-order"): Endpoint(self._place, 10),
            ("POST", "mix/order/place-tpsl-order"): Endpoint(self._place, 10),
            ("POST", "mix/order/cancel-plan-order"): Endpoint(self._cancel, 10),
            ("GET", "mix/order/orders-plan-pending"): Endpoint(self._pending, 10),
            ("GET", "mix/order/orders-plan-history"): Endpoint(self._history, 10),
        }

    def _place(self, call: Call) -> Fields:
        body = call.body(_PlanBody)
        if body.product_type.upper() != PRODUCT:
            raise BitgetError("40034", "productType")
        size, trigger = decimal(body.size, "size"), decimal(body.trigger_price, "triggerPrice")
        try:
            check_numbers(call.exchange.market(body.symbol).instrument, size, trigger)
        except RefusedError as refused:
            raise of_refusal(refused) from None
        live = (row for row in self._of(call.account) if row["planStatus"] == "live")
        if body.client_oid and any(row["clientOid"] == body.client_oid for row in live):
            raise BitgetError("40786")
        self._next += 1
        client_oid = body.client_oid or f"sim{self._next}"
        limit = body.price or body.execute_price
        row: Fields = {
            "cTime": milliseconds(call.now),
            "callbackRatio": "",
            "clientOid": client_oid,
            "enterPointSource": "API",
            "executePrice": str(limit),
            "leverage": number(call.account.leverage_of(body.symbol)),
            "marginCoin": COIN,
            "marginMode": body.margin_mode,
            "orderId": str(self._next),
            "orderSource": body.plan_type,
            "orderType": "limit" if limit else "market",
            "planStatus": "live",
            "planType": body.plan_type,
            "posMode": mode_of(call.account),
            "price": str(limit),
            "size": number(size),
            "symbol": body.symbol,
            "triggerPrice": number(trigger),
            "triggerType": body.trigger_type,
            "uTime": milliseconds(call.now),
        }
        self._of(call.account).append(row | _works_on(body))
        return {"clientOid": client_oid, "orderId": row["orderId"]}

    def _cancel(self, call: Call) -> Fields:
        body = call.body(_CancelBody)
        done: list[Fields] = []
        failed: list[Fields] = []
        for named in body.order_id_list:
            answered: Fields = {"clientOid": named.client_oid, "orderId": named.order_id}
            for row in self._of(call.account):
                same = row["orderId"] == named.order_id or row["clientOid"] == named.client_oid
                if same and row["symbol"] == body.symbol and row["planStatus"] == "live":
                    row |= {"planStatus": "cancelled", "uTime": milliseconds(call.now)}
                    done.append(answered | {"orderId": row["orderId"], "clientOid": row["clientOid"]})
                    break
            else:
                failed.append(answered | {"errorMsg": "No order to cancel"})
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
        asked = [
            (name, call.query[name]) for name in ("symbol", "orderId", "clientOid") if name in call.query
        ]
        rows = [
            row
            for row in reversed(self._of(call.account))
            if row["planType"] in kinds
            and (row["planStatus"] == "live") is lives
            and all(row[name] == value for name, value in asked)
        ]
        return {"entrustedList": rows or None, "endId": rows[-1]["orderId"] if rows else None}

    def _of(self, account: Account) -> list[Fields]:
        owner, rows = self._rows.get(account.name, (None, []))
        if owner is not account:  # new, or new since the venue was reset
            rows = []
            self._rows[account.name] = account, rows
        return rows


def _works_on(body: _PlanBody) -> Fields:
    """Side, position and whether it closes; a stop loss or take profit names only what it closes."""
    if body.hold_side:
        side = {"long": "sell", "short": "buy", "buy": "sell", "sell": "buy"}[body.hold_side]
        hedged = body.hold_side in ("long", "short")
        return {
            "posSide": body.hold_side if hedged else "net",
            "reduceOnly": "NO" if hedged else "YES",
            "side": side,
            "tradeSide": "close" if hedged else f"{side}_single",
        }
    leg = {"buy": "long", "sell": "short"}.get(body.side, "net") if body.trade_side else "net"
    return {
        "posSide": leg,
        "reduceOnly": body.reduce_only.upper(),
        "side": body.side,
        "tradeSide": body.trade_side or f"{body.side}_single",
    }
