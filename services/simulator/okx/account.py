"""OKX account and public endpoints."""

from typing import Final, Literal

import msgspec

from services.simulator.instruments import Instrument
from services.simulator.okx import balances, shapes
from services.simulator.okx.call import Call, Endpoint, Number, decimal
from services.simulator.okx.codes import OkxError, of_refusal
from services.simulator.okx.shapes import Fields, milliseconds, number
from services.simulator.rules import RefusedError

_MODES: Final = {"net": "net_mode", "long_short": "long_short_mode"}


class _ModeBody(msgspec.Struct, rename="camel"):
    pos_mode: Literal["net_mode", "long_short_mode"]


class _LeverageBody(msgspec.Struct, rename="camel"):
    lever: Number
    mgn_mode: Literal["cross", "isolated"]
    inst_id: str
    pos_side: Literal["", "net", "long", "short"] = ""


def _balance(call: Call) -> list[Fields]:
    wanted = frozenset(filter(None, call.query.get("ccy", "").split(",")))
    return [balances.balance(call.exchange, call.account, call.now, wanted)]


def _positions(call: Call) -> list[Fields]:
    wanted = frozenset(filter(None, call.query.get("instId", "").split(",")))
    rows = (shapes.position(held, call.exchange, call.account) for held in call.account.held())
    kind = call.query.get("instType", "")
    return [row for row in rows if (not wanted or row["instId"] in wanted) and kind in ("", row["instType"])]


def _config(call: Call) -> list[Fields]:
    account = call.account
    return [
        {
            "acctLv": "2",
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "greeksType": "PA",
            "ip": ",".join(account.addresses),
            "kycLv": "3",
            "label": "simulated",
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": account.uid,
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": ",".join("read_only" if right == "read" else right for right in account.rights),
            "posMode": _MODES[account.position_mode],
            "roleType": "0",
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "traderInsts": [],
            "type": "0",
            "uid": account.uid,
        }
    ]


def _set_mode(call: Call) -> list[Fields]:
    body = call.body(_ModeBody)
    mode: Literal["net", "long_short"] = "net" if body.pos_mode == "net_mode" else "long_short"
    try:
        call.exchange.set_position_mode(call.account, mode)
    except RefusedError as refused:
        raise of_refusal(refused) from None
    return [{"posMode": body.pos_mode}]


def _set_leverage(call: Call) -> list[Fields]:
    body = call.body(_LeverageBody)
    try:
        call.exchange.set_leverage(call.account, body.inst_id, decimal(body.lever, "lever"))
    except RefusedError as refused:
        raise of_refusal(refused, parameter="59102") from None
    return [
        {"instId": body.inst_id, "lever": str(body.lever), "mgnMode": body.mgn_mode, "posSide": body.pos_side}
    ]


def _currencies(call: Call) -> list[Fields]:
    names = dict.fromkeys(name for i in call.venue.instruments for name in (i.base, i.quote))
    return [
        {
            "canDep": True,
            "canInternal": True,
            "canWd": True,
            "ccy": name,
            "chain": f"{name}-Simulated",
            "mainNet": True,
            "maxFee": "0",
            "maxWd": "1000000",
            "minFee": "0",
            "minWd": "0.01",
            "name": name,
            "wdTickSz": "8",
        }
        for name in names
    ]


def _time(call: Call) -> list[Fields]:
    return [{"ts": milliseconds(call.now)}]


def _instrument(item: Instrument) -> Fields:
    swap = item.kind == "swap"
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": "" if swap else item.base,
        "category": "1",
        "contTdSwTime": "1704876947000",
        "ctMult": number(item.contract_multiplier) if swap else "",
        "ctType": "linear" if swap else "",
        "ctVal": number(item.contract_value) if swap else "",
        "ctValCcy": item.base if swap else "",
        "expTime": "",
        "futureSettlement": False,
        "groupId": "1",
        "instFamily": f"{item.base}-{item.quote}" if swap else "",
        "instId": item.symbol,
        "instType": shapes.INSTRUMENT_TYPES[item.kind],
        "lever": number(item.leverage) if swap else "",
        "listTime": "1573557408000",
        "lotSz": number(item.lot),
        "maxIcebergSz": number(item.maximum),
        "maxLmtAmt": "20000000",
        "maxLmtSz": number(item.maximum),
        "maxMktAmt": "" if swap else "1000000",
        "maxMktSz": number(item.maximum),
        "maxStopSz": number(item.maximum),
        "maxTriggerSz": number(item.maximum),
        "maxTwapSz": number(item.maximum),
        "minSz": number(item.minimum),
        "openType": "",
        "optType": "",
        "quoteCcy": "" if swap else item.quote,
        "ruleType": "normal",
        "settleCcy": item.quote if swap else "",
        "state": "live",
        "stk": "",
        "tickSz": number(item.tick),
        "tradeQuoteCcyList": [] if swap else [item.quote],
        "uly": f"{item.base}-{item.quote}" if swap else "",
    }


def _instruments(call: Call) -> list[Fields]:
    kind, symbol = call.needed("instType"), call.query.get("instId", "")
    if kind not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
        raise OkxError("51000", "instType")
    rows = (_instrument(item) for item in call.venue.instruments)
    return [row for row in rows if row["instType"] == kind and symbol in ("", row["instId"])]


def _tickers(call: Call) -> list[Fields]:
    kind, symbol = call.query.get("instType", ""), call.query.get("instId", "")
    rows: list[Fields] = []
    for market in call.exchange.markets.values():
        item, price = market.instrument, number(market.price)
        if symbol in ("", item.symbol) and kind in ("", shapes.INSTRUMENT_TYPES[item.kind]):
            rows.append(
                {
                    "askPx": price,
                    "askSz": number(market.depth or item.maximum),
                    "bidPx": price,
                    "bidSz": number(market.depth or item.maximum),
                    "high24h": price,
                    "instId": item.symbol,
                    "instType": shapes.INSTRUMENT_TYPES[item.kind],
                    "last": price,
                    "lastSz": number(item.minimum),
                    "low24h": price,
                    "open24h": price,
                    "sodUtc0": price,
                    "sodUtc8": price,
                    "ts": milliseconds(call.now),
                    "vol24h": "0",
                    "volCcy24h": "0",
                }
            )
    if symbol and not rows:
        raise OkxError("51001")
    return rows


def _mark_prices(call: Call) -> list[Fields]:
    """The engine has one price an instrument, which is its mark too."""
    kind, symbol = call.needed("instType"), call.query.get("instId", "")
    return [
        {
            "instId": market.instrument.symbol,
            "instType": shapes.INSTRUMENT_TYPES[market.instrument.kind],
            "markPx": number(market.price),
            "ts": milliseconds(call.now),
        }
        for market in call.exchange.markets.values()
        if shapes.INSTRUMENT_TYPES[market.instrument.kind] == kind
        and symbol in ("", market.instrument.symbol)
    ]


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "account/balance"): Endpoint(_balance, 10),
    ("GET", "account/positions"): Endpoint(_positions, 10),
    ("GET", "account/config"): Endpoint(_config, 5),
    ("POST", "account/set-position-mode"): Endpoint(_set_mode, 5),
    ("POST", "account/set-leverage"): Endpoint(_set_leverage, 20),
    ("GET", "account/instruments"): Endpoint(_instruments, 20),
    ("GET", "asset/currencies"): Endpoint(_currencies, 12),
    ("GET", "public/time"): Endpoint(_time, 20, private=False),
    ("GET", "public/instruments"): Endpoint(_instruments, 20, private=False),
    ("GET", "public/mark-price"): Endpoint(_mark_prices, 10, private=False),
    ("GET", "market/ticker"): Endpoint(_tickers, 40, private=False),
    ("GET", "market/tickers"): Endpoint(_tickers, 40, private=False),
}
