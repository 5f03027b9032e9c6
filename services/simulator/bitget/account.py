"""Bitget's account, position and public endpoints."""

from typing import Final, Literal

import msgspec

from services.simulator.bitget import shapes
from services.simulator.bitget.call import Call, Endpoint, Number, decimal
from services.simulator.bitget.codes import BitgetError, of_refusal
from services.simulator.bitget.shapes import COIN, PRODUCT, Fields, milliseconds, number
from services.simulator.rules import RefusedError


class _ModeBody(msgspec.Struct, rename="camel"):
    product_type: str
    pos_mode: Literal["one_way_mode", "hedge_mode"]


class _MarginBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    margin_coin: str
    margin_mode: Literal["crossed", "isolated"]


class _LeverageBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    margin_coin: str
    leverage: Number
    hold_side: Literal["", "long", "short"] = ""


def _account(call: Call) -> Fields:
    """What it is worth, and how one instrument is traded."""
    (worth,), symbol = _accounts(call), call.needed("symbol")
    if symbol not in call.exchange.markets or shapes.is_spot(symbol):
        raise BitgetError("40034", "symbol")
    leverage = number(call.account.leverage_of(symbol))
    return worth | {
        "crossedMarginLeverage": leverage,
        "isolatedLongLever": leverage,
        "isolatedShortLever": leverage,
        "marginMode": "isolated" if symbol in call.account.isolated else "crossed",
        "posMode": shapes.mode_of(call.account),
    }


def _accounts(call: Call) -> list[Fields]:
    call.needs_product()
    worth = {name: number(value) for name, value in shapes.balance(call.exchange, call.account).items()}
    return [
        {
            "accountEquity": worth["equity"],
            "assetMode": "single",
            "available": worth["available"],
            "btcEquity": "0",
            "coupon": "0",
            "crossedMargin": worth["margin"],
            "crossedMaxAvailable": worth["available"],
            "crossedRiskRate": "0",
            "crossedUnrealizedPL": worth["unrealised"],
            "grant": "0",
            "isolatedMargin": "0",
            "isolatedMaxAvailable": worth["available"],
            "isolatedUnrealizedPL": "0",
            "locked": worth["locked"],
            "marginCoin": COIN,
            "maxTransferOut": worth["available"],
            "unionAvailable": "0",
            "unrealizedPL": worth["unrealised"],
            "usdtEquity": worth["equity"],
        }
    ]


def _positions(call: Call) -> list[Fields]:
    call.needs_product()
    return [
        {"symbol": held.symbol} | shapes.position(held, call.exchange, call.account)
        for held in call.account.held()
    ]


def _set_mode(call: Call) -> Fields:
    body = call.body(_ModeBody)
    try:
        call.exchange.set_position_mode(
            call.account, "net" if body.pos_mode == "one_way_mode" else "long_short"
        )
    except RefusedError as refused:
        raise of_refusal(refused) from None
    return {"posMode": body.pos_mode}


def _set_margin_mode(call: Call) -> Fields:
    """Margin is simulated as crossed only; the choice is kept and told."""
    body = call.body(_MarginBody)
    if shapes.is_spot(body.symbol):
        raise BitgetError("40034", "symbol")
    try:
        call.exchange.set_isolated(call.account, body.symbol, isolated=body.margin_mode == "isolated")
    except RefusedError as refused:
        raise of_refusal(refused, has_orders_or_positions="45117") from None
    leverage = number(call.account.leverage_of(body.symbol))
    return _leverage(body.symbol, leverage) | {"marginMode": body.margin_mode}


def _set_leverage(call: Call) -> Fields:
    body = call.body(_LeverageBody)
    try:
        call.exchange.set_leverage(call.account, body.symbol, decimal(body.leverage, "leverage"))
    except RefusedError as refused:
        raise of_refusal(refused) from None
    return _leverage(body.symbol, str(body.leverage)) | {"marginMode": "crossed"}


def _leverage(symbol: str, leverage: str) -> Fields:
    return {
        "crossMarginLeverage": leverage,
        "longLeverage": leverage,
        "marginCoin": COIN,
        "shortLeverage": leverage,
        "symbol": symbol,
    }


_CODES: Final = {"read": ("coor", "cpor", "stor"), "trade": ("coow", "cpow"), "withdraw": ("wwow",)}


def _info(call: Call) -> Fields:
    return {
        "authorities": [code for right in call.account.rights for code in _CODES[right]],
        "channel": "",
        "channelCode": "",
        "inviterId": "",
        "ips": ",".join(call.account.addresses),
        "parentId": int(call.account.uid),
        "regisTime": "1700000000000",
        "traderType": "not_trader",
        "userId": call.account.uid,
    }


def _time(call: Call) -> Fields:
    return {"serverTime": milliseconds(call.now)}


def _contracts(call: Call) -> list[Fields]:
    if call.needed("productType").upper() != PRODUCT:
        return []
    symbol = call.query.get("symbol", "")
    return [
        shapes.contract(item)
        for item in call.venue.instruments
        if item.kind == "swap" and symbol in ("", item.symbol)
    ]


def _tickers(call: Call) -> list[Fields]:
    call.needs_product()
    return [
        shapes.ticker(market, call.now)
        for market in call.exchange.markets.values()
        if market.instrument.kind == "swap"
    ]


def _nothing(_: Call) -> list[Fields]:
    """Margin and deposits are not simulated: nothing is listed."""
    return []


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "mix/account/account"): Endpoint(_account, 10),
    ("GET", "mix/account/accounts"): Endpoint(_accounts, 10),
    ("GET", "mix/position/all-position"): Endpoint(_positions, 5),
    ("POST", "mix/account/set-position-mode"): Endpoint(_set_mode, 5),
    ("POST", "mix/account/set-margin-mode"): Endpoint(_set_margin_mode, 5),
    ("POST", "mix/account/set-leverage"): Endpoint(_set_leverage, 5),
    ("GET", "spot/account/info"): Endpoint(_info, 1),
    ("GET", "public/time"): Endpoint(_time, 20, private=False),
    ("GET", "mix/market/contracts"): Endpoint(_contracts, 20, private=False),
    ("GET", "mix/market/tickers"): Endpoint(_tickers, 20, private=False),
    ("GET", "spot/public/coins"): Endpoint(_nothing, 3, private=False),
    ("GET", "margin/currencies"): Endpoint(_nothing, 10, private=False),
}
