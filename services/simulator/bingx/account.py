"""BingX account, market and listen key endpoints."""

from decimal import Decimal
from typing import Final

from services.simulator.bingx import shapes
from services.simulator.bingx.call import Call, Endpoint, Fields
from services.simulator.bingx.codes import BingxError, of_refusal
from services.simulator.rules import RefusedError


def _balance(call: Call) -> list[Fields]:
    return [shapes.balance(call.exchange, call.account, currency) for currency in call.account.balances]


def _positions(call: Call) -> list[Fields]:
    symbol = call.params.get("symbol", "")
    return [
        shapes.position(held, call.exchange, call.account)
        for held in call.account.held()
        if symbol in ("", held.symbol)
    ]


def _dual(call: Call) -> Fields:
    return {"dualSidePosition": "true" if call.account.position_mode == "long_short" else "false"}


def _set_dual(call: Call) -> Fields:
    wanted = call.needed("dualSidePosition")
    if wanted not in ("true", "false"):
        raise BingxError("109400", "dualSidePosition")
    try:
        call.exchange.set_position_mode(call.account, "long_short" if wanted == "true" else "net")
    except RefusedError as refused:
        raise of_refusal(refused) from None
    return {"dualSidePosition": wanted}


def _listed(call: Call) -> str:
    symbol = call.needed("symbol")
    if symbol not in call.exchange.markets:
        raise BingxError("109425", symbol)
    return symbol


def _leverage(call: Call) -> Fields:
    symbol = _listed(call)
    leverage, most = call.account.leverage_of(symbol), call.exchange.market(symbol).instrument.leverage
    return {
        "longLeverage": int(leverage),
        "shortLeverage": int(leverage),
        "maxLongLeverage": int(most),
        "maxShortLeverage": int(most),
    }


def _set_leverage(call: Call) -> Fields:
    """One leverage for both legs: the engine keeps one an instrument."""
    symbol, leverage = _listed(call), call.decimal("leverage")
    hedge = call.account.position_mode == "long_short"
    if call.needed("side") not in (("LONG", "SHORT") if hedge else ("BOTH",)):
        raise BingxError("109400", "side")
    if leverage % 1:
        raise BingxError("109400", "leverage")
    try:
        call.exchange.set_leverage(call.account, symbol, leverage)
    except RefusedError as refused:
        raise of_refusal(refused, parameter="101414") from None
    return {"leverage": int(leverage), "symbol": symbol, "availableLongVol": "0", "availableShortVol": "0"}


def _margin_type(call: Call) -> Fields:
    _listed(call)
    return {"marginType": "CROSSED"}


def _set_margin_type(call: Call) -> Fields:
    """Cross margin is what the engine has."""
    _listed(call)
    if call.needed("marginType") != "CROSSED":
        raise BingxError("101400", "marginType: only CROSSED is simulated")
    return {}


_RIGHTS: Final = {"read": 2, "trade": 3, "withdraw": 5}


def _permissions(call: Call) -> Fields:
    return {
        "apiKey": call.account.credentials.key,
        "permissions": [_RIGHTS[right] for right in call.account.rights],
        "ipAddresses": list(call.account.addresses),
        "note": "simulated",
    }


def _time(call: Call) -> Fields:
    return {"serverTime": shapes.milliseconds(call.now)}


def _contracts(call: Call) -> list[Fields]:
    symbol = call.params.get("symbol", "")
    listed = (
        shapes.contract(item, index)
        for index, item in enumerate(call.venue.instruments)
        if item.kind == "swap"
    )
    return [row for row in listed if symbol in ("", row["symbol"])]


def _ticker(call: Call) -> Fields:
    market = call.exchange.market(_listed(call))
    price, depth = shapes.number(market.price), shapes.number(market.depth or Decimal(1000))
    return {
        "symbol": market.instrument.symbol,
        "priceChange": "0",
        "priceChangePercent": "0%",
        "lastPrice": price,
        "lastQty": "1",
        "highPrice": price,
        "lowPrice": price,
        "volume": "0",
        "quoteVolume": "0",
        "openPrice": price,
        "openTime": shapes.milliseconds(call.now),
        "closeTime": shapes.milliseconds(call.now),
        "askPrice": price,
        "askQty": depth,
        "bidPrice": price,
        "bidQty": depth,
    }


def _premium_index(call: Call) -> list[Fields]:
    """Marks of swaps: the engine has one price an instrument, which is its mark too."""
    return [
        {
            "symbol": market.instrument.symbol,
            "lastFundingRate": "0",
            "markPrice": shapes.number(market.price),
            "indexPrice": shapes.number(market.price),
            "nextFundingTime": shapes.milliseconds(call.now),
        }
        for market in call.exchange.markets.values()
        if market.instrument.kind == "swap"
    ]


def _nothing(_: Call) -> list[Fields]:
    """Sections that are not simulated list nothing."""
    return []


def _make_key(call: Call) -> Fields:
    return {"listenKey": call.keys.make(call.account, call.now)}


def _own_key(call: Call) -> str:
    key = call.needed("listenKey")
    if call.keys.owner(key, call.now) is not call.account:
        raise BingxError("109400", "listenKey: it is not known or has expired")
    return key


def _extend_key(call: Call) -> Fields:
    call.keys.extend(_own_key(call), call.now)
    return {}


def _delete_key(call: Call) -> Fields:
    call.keys.expire(_own_key(call))
    return {}


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "swap/v3/user/balance"): Endpoint(_balance),
    ("GET", "swap/v2/user/positions"): Endpoint(_positions),
    ("GET", "swap/v1/positionSide/dual"): Endpoint(_dual),
    ("POST", "swap/v1/positionSide/dual"): Endpoint(_set_dual, 4),
    ("GET", "swap/v2/trade/leverage"): Endpoint(_leverage),
    ("POST", "swap/v2/trade/leverage"): Endpoint(_set_leverage),
    ("GET", "swap/v2/trade/marginType"): Endpoint(_margin_type),
    ("POST", "swap/v2/trade/marginType"): Endpoint(_set_margin_type, 2),
    ("GET", "v1/account/apiPermissions"): Endpoint(_permissions, 2),
    ("POST", "user/auth/userDataStream"): Endpoint(_make_key, bare=True),
    ("PUT", "user/auth/userDataStream"): Endpoint(_extend_key, bare=True),
    ("DELETE", "user/auth/userDataStream"): Endpoint(_delete_key, bare=True),
    ("GET", "swap/v2/server/time"): Endpoint(_time, private=False),
    ("GET", "swap/v2/quote/contracts"): Endpoint(_contracts, private=False),
    ("GET", "swap/v2/quote/premiumIndex"): Endpoint(_premium_index, private=False),
    ("GET", "swap/v2/quote/ticker"): Endpoint(_ticker, private=False),
    ("GET", "cswap/v1/market/contracts"): Endpoint(_nothing, private=False),
    ("GET", "wallets/v1/capital/config/getall"): Endpoint(_nothing),
}
