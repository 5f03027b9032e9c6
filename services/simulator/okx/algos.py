"""OKX's conditional orders (trigger, stop loss, take profit): taken, listed, cancelled and set off.

What one sets off is an order of its own. The first of its prices that the market reaches ends it.
"""

from functools import partial
from itertools import islice
from typing import Final, Literal, NamedTuple

import msgspec

from services.simulator.accounts import Account
from services.simulator.book import Market
from services.simulator.ledger import Leg
from services.simulator.okx.call import Call, Endpoint, Number, decimal, decode
from services.simulator.okx.codes import OkxError, of_refusal
from services.simulator.okx.shapes import INSTRUMENT_TYPES, Fields, milliseconds, number
from services.simulator.okx.socket import tell_conditional
from services.simulator.rules import NewOrder, RefusedError, check_numbers
from services.simulator.triggers import Trigger
from services.simulator.venue import Venue

_KINDS: Final = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase")
_TOGETHER: Final = frozenset(("conditional", "oco"))  # may be asked for at once
_MAX_PAGE: Final = 100
_AT_MARKET: Final = "-1"


class _PlaceBody(msgspec.Struct, rename="camel"):
    inst_id: str
    td_mode: Literal["cross", "isolated", "cash"]
    side: Literal["buy", "sell"]
    ord_type: Literal["conditional", "trigger"]
    sz: Number
    algo_cl_ord_id: str = ""
    pos_side: Literal["", "net", "long", "short"] = ""
    reduce_only: bool | Literal["true", "false", ""] = False
    trigger_px: Number = ""
    order_px: Number = ""
    sl_trigger_px: Number = ""
    sl_ord_px: Number = ""
    tp_trigger_px: Number = ""
    tp_ord_px: Number = ""
    tgt_ccy: Literal["", "base_ccy"] = ""


class _Leg(NamedTuple):
    """What is entered when a price is reached; `name` is "sl", "tp" or, of an entry, empty."""

    name: str
    trigger: Trigger
    order: NewOrder


class _CancelBody(msgspec.Struct, rename="camel"):
    inst_id: str
    algo_id: str


class Algos:
    """The conditional orders of one venue, by account, oldest first, as its listings state them."""

    def __init__(self, venue: Venue) -> None:
        self._next = venue.clock.now()
        self._venue = venue
        self._rows: dict[str, tuple[Account, list[Fields]]] = {}
        self._legs: dict[str, tuple[Account, Fields, list[_Leg]]] = {}  # of those that wait, by id
        venue.on_change(self._fire)

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        return {
            ("POST", "trade/order-algo"): Endpoint(self._place, 20, operation="place"),
            ("POST", "trade/cancel-algos"): Endpoint(self._cancel, 20, operation="cancel"),
            ("GET", "trade/order-algo"): Endpoint(self._one, 20),
            ("GET", "trade/orders-algo-pending"): Endpoint(self._pending, 20),
            ("GET", "trade/orders-algo-history"): Endpoint(self._history, 20),
        }

    def _place(self, call: Call) -> list[Fields]:
        body = call.body(_PlaceBody)
        try:
            self._check(call, body)
        except OkxError as error:
            return [_row("", body.algo_cl_ord_id, error)]
        self._next += 1
        row = _stated(body, str(self._next), call)
        self._of(call.account).append(row)
        market = call.exchange.markets[body.inst_id]
        self._legs[str(self._next)] = (call.account, row, _legs(body, market))
        self._told(call.account, row)
        return [_row(str(self._next), body.algo_cl_ord_id)]

    def _check(self, call: Call, body: _PlaceBody) -> None:
        """Raises OkxError: the venue would not take it."""
        try:
            instrument = call.exchange.market(body.inst_id).instrument
            for _, trigger, price in _prices(body):
                check_numbers(instrument, decimal(body.sz, "sz"), decimal(trigger, "triggerPx"))
                if str(price) != _AT_MARKET:
                    check_numbers(instrument, decimal(body.sz, "sz"), decimal(price, "ordPx"))
        except RefusedError as refused:
            raise of_refusal(refused) from None
        live = (row for row in self._of(call.account) if row["state"] == "live")
        if body.algo_cl_ord_id and any(row["algoClOrdId"] == body.algo_cl_ord_id for row in live):
            raise OkxError("51016")

    def _cancel(self, call: Call) -> list[Fields]:
        if not call.request.body.lstrip().startswith(b"["):
            raise OkxError("50002")  # this endpoint takes a list only
        answers: list[Fields] = []
        for raw in call.items():
            body = decode(raw, _CancelBody)
            for row in self._of(call.account):
                same = (row["algoId"], row["instId"]) == (body.algo_id, body.inst_id)
                if same and row["state"] == "live":
                    self._end(call.account, row, state="canceled")
                    answers.append(_row(body.algo_id, str(row["algoClOrdId"])))
                    break
            else:
                answers.append(_row(body.algo_id, "", OkxError("51400")))
        return answers

    def _fire(self) -> None:
        """Enters the orders whose price the market has reached, the oldest first."""
        exchange, now = self._venue.exchange, self._venue.clock.now()
        for account, row, legs in tuple(self._legs.values()):
            market = exchange.markets[str(row["instId"])]
            if exchange.accounts.get(account.name) is not account:  # reset since
                self._legs.pop(str(row["algoId"]))
                continue
            leg = next((leg for leg in legs if leg.trigger.reached(market.price)), None)
            if leg is None:
                continue
            set_off: Fields = {"actualSide": leg.name, "triggerTime": milliseconds(now)}
            try:
                made = exchange.place(account, leg.order, now)
            except RefusedError as refused:
                failed = of_refusal(refused)
                self._end(account, row, state="order_failed", failCode=failed.code, **set_off)
            else:
                set_off |= {"ordId": made.order_id, "ordIdList": [made.order_id], "actualSz": row["sz"]}
                self._end(account, row, state="effective", **set_off)

    def _end(self, account: Account, row: Fields, **changes: object) -> None:
        row |= {**changes, "uTime": milliseconds(self._venue.clock.now())}
        self._legs.pop(str(row["algoId"]))
        self._told(account, row)

    def _told(self, account: Account, row: Fields) -> None:
        self._venue.tell(account.name, partial(tell_conditional, row=row))

    def _one(self, call: Call) -> list[Fields]:
        asked = [(name, call.query[name]) for name in ("algoId", "algoClOrdId") if call.query.get(name)]
        if not asked:
            raise OkxError("50014", "algoId")
        rows = self._of(call.account)
        found = [row for row in reversed(rows) if all(row[name] == value for name, value in asked)]
        if not found:
            raise OkxError("51603")
        return found[:1]

    def _pending(self, call: Call) -> list[Fields]:
        return self._list(call, ("live",))

    def _history(self, call: Call) -> list[Fields]:
        return self._list(call, (call.needed("state"),))

    def _list(self, call: Call, states: tuple[str, ...]) -> list[Fields]:
        kinds, symbol = call.needed("ordType").split(","), call.query.get("instId", "")
        if any(kind not in _KINDS for kind in kinds) or (len(kinds) > 1 and not set(kinds) <= _TOGETHER):
            raise OkxError("51000", "ordType")
        after = int(call.query.get("after", self._next + 1))
        found = (
            row
            for row in reversed(self._of(call.account))
            if row["ordType"] in kinds
            and row["state"] in states
            and symbol in ("", row["instId"])
            and int(str(row["algoId"])) < after
        )
        return list(islice(found, _MAX_PAGE))

    def _of(self, account: Account) -> list[Fields]:
        owner, rows = self._rows.get(account.name, (None, []))
        if owner is not account:  # new, or new since the venue was reset
            rows = []
            self._rows[account.name] = account, rows
        return rows


def _prices(body: _PlaceBody) -> list[tuple[str, Number, Number]]:
    """The (leg, trigger, order) prices that an order names.

    Raises:
        OkxError: 51000, it names none.
    """
    triples = (
        [("", body.trigger_px, body.order_px)]
        if body.ord_type == "trigger"
        else [("sl", body.sl_trigger_px, body.sl_ord_px), ("tp", body.tp_trigger_px, body.tp_ord_px)]
    )
    named = [triple for triple in triples if triple[1] != ""]
    if not named:
        raise OkxError("51000", "triggerPx" if body.ord_type == "trigger" else "slTriggerPx")
    return named


def _legs(body: _PlaceBody, market: Market) -> list[_Leg]:
    spot = market.instrument.kind == "spot"
    side: Leg = "net" if spot else body.pos_side or "net"
    legs = []
    for name, at, price in _prices(body):
        trigger = Trigger.ahead(decimal(at, "triggerPx"), market.price)
        if name:  # a stop loss waits on the side where it hurts, a take profit on the other
            trigger = Trigger(trigger.price, (name == "sl") == (body.side == "buy"))
        limit = None if str(price) == _AT_MARKET else decimal(price, "ordPx")
        order = NewOrder(
            symbol=body.inst_id,
            side=body.side,
            kind="market" if limit is None else "limit",
            size=decimal(body.sz, "sz"),
            price=limit,
            leg=side,
            reduce_only=body.reduce_only in (True, "true") and side == "net" and not spot,
            margin_mode=body.td_mode,
        )
        legs.append(_Leg(name, trigger, order))
    return legs


def _stated(body: _PlaceBody, algo_id: str, call: Call) -> Fields:
    item = call.exchange.markets[body.inst_id].instrument
    return {
        "activePx": "",
        "actualPx": "",
        "actualSide": "",
        "actualSz": "0",
        "algoClOrdId": body.algo_cl_ord_id,
        "algoId": algo_id,
        "cTime": milliseconds(call.now),
        "clOrdId": "",
        "closeFraction": "",
        "failCode": "0",
        "instId": body.inst_id,
        "instType": INSTRUMENT_TYPES[item.kind],
        "lever": number(call.account.leverage_of(body.inst_id)),
        "ordId": "",
        "ordIdList": [],
        "ordPx": str(body.order_px),
        "ordType": body.ord_type,
        "posSide": "" if item.kind == "spot" else body.pos_side or "net",
        "reduceOnly": "true" if body.reduce_only in (True, "true") else "false",
        "side": body.side,
        "slOrdPx": str(body.sl_ord_px),
        "slTriggerPx": str(body.sl_trigger_px),
        "slTriggerPxType": "last" if body.sl_trigger_px else "",
        "state": "live",
        "sz": number(decimal(body.sz, "sz")),
        "tag": "",
        "tdMode": body.td_mode,
        "tpOrdPx": str(body.tp_ord_px),
        "tpTriggerPx": str(body.tp_trigger_px),
        "tpTriggerPxType": "last" if body.tp_trigger_px else "",
        "triggerPx": str(body.trigger_px),
        "triggerPxType": "last" if body.trigger_px else "",
        "triggerTime": "",
        "uTime": milliseconds(call.now),
    }


def _row(algo_id: str, client_id: str, error: OkxError | None = None) -> Fields:
    return {
        "algoId": algo_id,
        "algoClOrdId": client_id,
        "clOrdId": "",
        "sCode": "0" if error is None else error.code,
        "sMsg": "" if error is None else error.message,
        "tag": "",
    }
