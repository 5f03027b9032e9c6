"""OKX's conditional orders (trigger, stop loss, take profit): taken, listed, cancelled and set off.

What one sets off is an order of its own. The first of its prices that the market reaches ends it.
"""

from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Final, Literal, NamedTuple

import msgspec

from services.simulator.accounts import Account
from services.simulator.book import Market
from services.simulator.instruments import Instrument
from services.simulator.ledger import Leg
from services.simulator.okx.call import Call, Endpoint, Number, decimal, decode
from services.simulator.okx.codes import OkxError, of_refusal
from services.simulator.okx.shapes import INSTRUMENT_TYPES, Fields, milliseconds, number
from services.simulator.okx.socket import tell_conditional
from services.simulator.rules import NewOrder, RefusedError, check_numbers
from services.simulator.triggers import Trigger, TriggerKind
from services.simulator.venue import Venue

_KINDS: Final = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase")
_TOGETHER: Final = frozenset(("conditional", "oco"))  # may be asked for at once
_MAX_PAGE: Final = 100
_PREFIXES: Final[dict[TriggerKind, str]] = {"stop_loss": "sl", "take_profit": "tp", "entry": ""}
_AT_MARKET: Final = "-1"


class _PlaceBody(msgspec.Struct, rename="camel"):
    inst_id: str
    td_mode: Literal["cross", "isolated", "cash"]
    side: Literal["buy", "sell"]
    ord_type: Literal["conditional", "oco", "trigger"]
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
    """What is entered when a price is reached."""

    kind: TriggerKind
    trigger: Trigger
    order: NewOrder


class _CancelBody(msgspec.Struct, rename="camel"):
    inst_id: str
    algo_id: str


class Algos:
    """The conditional orders of one venue, by account, oldest first, as its listings state them."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._rows: dict[str, tuple[Account, list[Fields]]] = {}
        self._legs: dict[str, tuple[Account, Fields, list[_Leg]]] = {}  # of those that wait, by id
        venue.on_change(self._fire)
        venue.keep_conditionals(self)

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
            return [_row(self._keep(call.account, body, call.now), body.algo_cl_ord_id)]
        except RefusedError as refused:
            return [_row("", body.algo_cl_ord_id, of_refusal(refused))]
        except OkxError as error:
            return [_row("", body.algo_cl_ord_id, error)]

    def _keep(self, account: Account, body: _PlaceBody, now: int) -> str:
        """Raises RefusedError or OkxError: the venue would not take it."""
        market = self._venue.exchange.market(body.inst_id)
        for _, trigger, price in _prices(body):
            check_numbers(market.instrument, decimal(body.sz, "sz"), decimal(trigger, "triggerPx"))
            if str(price) != _AT_MARKET:
                check_numbers(market.instrument, decimal(body.sz, "sz"), decimal(price, "ordPx"))
        live = (row for row in self._of(account) if row["state"] == "live")
        if body.algo_cl_ord_id and any(row["algoClOrdId"] == body.algo_cl_ord_id for row in live):
            raise OkxError("51016")
        algo_id = self._venue.exchange.take_id()
        row = _stated(body, algo_id, market.instrument, account, now)
        self._of(account).append(row)
        self._legs[algo_id] = (account, row, _legs(body, algo_id, market))
        self._told(account, row)
        return algo_id

    def wait(self, account: Account, new: NewOrder, kind: TriggerKind, price: Decimal, now: int) -> str:
        at = number(price), _AT_MARKET if new.price is None else number(new.price)
        prefix = _PREFIXES[kind]
        names = (f"{prefix}_trigger_px", f"{prefix}_ord_px") if prefix else ("trigger_px", "order_px")
        body = _PlaceBody(
            inst_id=new.symbol,
            td_mode="cross",
            side=new.side,
            ord_type="conditional" if prefix else "trigger",
            sz=number(new.size),
            algo_cl_ord_id=new.client_order_id,
            pos_side=new.leg,
            reduce_only=new.reduce_only,
            **dict(zip(names, at, strict=True)),  # type: ignore[arg-type]  # prices only
        )
        return self._keep(account, body, now)

    def move(self, account: Account, order_id: str, price: Decimal, now: int) -> None:
        row = self._waiting(account, order_id)
        _, _, legs = self._legs[order_id]
        (leg,) = legs  # an order that waits at two prices is not moved by hand
        trigger = Trigger.of(leg.kind, price, leg.order.side, self._price(row))
        self._legs[order_id] = (account, row, [leg._replace(trigger=trigger)])
        prefix = _PREFIXES[leg.kind]
        row |= {f"{prefix}TriggerPx" if prefix else "triggerPx": number(price), "uTime": milliseconds(now)}
        self._told(account, row)

    def call_off(self, account: Account, order_id: str, now: int) -> None:  # noqa: ARG002 as every dialect
        self._end(account, self._waiting(account, order_id), state="canceled")

    def _waiting(self, account: Account, algo_id: str) -> Fields:
        for row in self._of(account):
            if row["algoId"] == algo_id and row["state"] == "live":
                return row
        raise RefusedError("not_found")

    def _price(self, row: Fields) -> Decimal:
        return self._venue.exchange.markets[str(row["instId"])].price

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
            set_off: Fields = {"actualSide": _PREFIXES[leg.kind], "triggerTime": milliseconds(now)}
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
        after = int(call.query.get("after", "0"))
        found = (
            row
            for row in reversed(self._of(call.account))
            if row["ordType"] in kinds
            and row["state"] in states
            and symbol in ("", row["instId"])
            and (not after or int(str(row["algoId"])) < after)
        )
        return list(islice(found, _MAX_PAGE))

    def _of(self, account: Account) -> list[Fields]:
        owner, rows = self._rows.get(account.name, (None, []))
        if owner is not account:  # new, or new since the venue was reset
            rows = []
            self._rows[account.name] = account, rows
        return rows


def _prices(body: _PlaceBody) -> list[tuple[TriggerKind, Number, Number]]:
    """The trigger and order prices that an order names, and what for.

    Raises:
        OkxError: 51000, it names none.
    """
    triples: list[tuple[TriggerKind, Number, Number]] = (
        [("entry", body.trigger_px, body.order_px)]
        if body.ord_type == "trigger"
        else [
            ("stop_loss", body.sl_trigger_px, body.sl_ord_px),
            ("take_profit", body.tp_trigger_px, body.tp_ord_px),
        ]
    )
    named = [triple for triple in triples if triple[1] != ""]
    if not named:
        raise OkxError("51000", "triggerPx" if body.ord_type == "trigger" else "slTriggerPx")
    return named


def _legs(body: _PlaceBody, algo_id: str, market: Market) -> list[_Leg]:
    spot = market.instrument.kind == "spot"
    side: Leg = "net" if spot else body.pos_side or "net"
    legs = []
    for kind, at, price in _prices(body):
        trigger = Trigger.of(kind, decimal(at, "triggerPx"), body.side, market.price)
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
            parent=algo_id,
            parent_client_order_id=body.algo_cl_ord_id,
        )
        legs.append(_Leg(kind, trigger, order))
    return legs


def _stated(body: _PlaceBody, algo_id: str, item: Instrument, account: Account, now: int) -> Fields:
    return {
        "activePx": "",
        "actualPx": "",
        "actualSide": "",
        "actualSz": "0",
        "algoClOrdId": body.algo_cl_ord_id,
        "algoId": algo_id,
        "cTime": milliseconds(now),
        "clOrdId": "",
        "closeFraction": "",
        "failCode": "0",
        "instId": body.inst_id,
        "instType": INSTRUMENT_TYPES[item.kind],
        "lever": number(account.leverage_of(body.inst_id)),
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
        "uTime": milliseconds(now),
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
