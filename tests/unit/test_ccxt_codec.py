"""Laws of the ccxt codec: requests, signatures checked from the venues' documents, and what stays out."""

import base64
import hashlib
import hmac
import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spider_common.clock import NS_PER_S
from spider_common.sdk.ccxt import VENUES, Codec, SignedRequest
from spider_common.secret import Credentials, Secret

NOW = 1_700_000_000_123_456_789
CREDENTIALS = Credentials(Secret("key-1"), Secret("secret-2"), Secret("phrase-3"))
ORDER_ID = "0123456789abcdefghijklmnopqrstuv"

# One row of each venue's list of swaps, of the documented shape.
INSTRUMENTS: dict[str, dict[str, Any]] = {
    "okx": {
        "instType": "SWAP", "instId": "BTC-USDT-SWAP", "uly": "BTC-USDT", "instFamily": "BTC-USDT",
        "baseCcy": "", "quoteCcy": "", "settleCcy": "USDT", "ctVal": "0.01", "ctMult": "1",
        "ctValCcy": "BTC", "ctType": "linear", "lotSz": "0.01", "minSz": "0.01", "tickSz": "0.1",
        "maxLmtSz": "100000000", "maxMktSz": "12000", "state": "live", "lever": "100",
        "listTime": "1573557408000", "expTime": "",
    },
    "bitget": {
        "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006", "supportMarginCoins": ["USDT"], "minTradeNum": "0.00001",
        "priceEndStep": "1", "volumePlace": "5", "pricePlace": "1", "sizeMultiplier": "0.00001",
        "symbolType": "perpetual", "minTradeUSDT": "5", "symbolStatus": "normal", "maxLever": "125",
        "minLever": "1", "deliveryTime": "", "deliveryStartTime": "", "launchTime": "",
    },
    "bingx": {
        "contractId": "100", "symbol": "BTC-USDT", "size": "0.0001", "quantityPrecision": 5,
        "pricePrecision": 1, "feeRate": 0.0005, "makerFeeRate": 0.0002, "takerFeeRate": 0.0005,
        "tradeMinQuantity": 0.00001, "tradeMinUSDT": 2, "maxLongLeverage": 125, "maxShortLeverage": 125,
        "currency": "USDT", "asset": "BTC", "status": 1, "apiStateOpen": "true", "apiStateClose": "true",
    },
}  # fmt: skip
IDS = {"okx": "BTC-USDT-SWAP", "bitget": "BTCUSDT", "bingx": "BTC-USDT"}
STEPS = {"okx": Decimal("0.01"), "bitget": Decimal("0.00001"), "bingx": Decimal("0.00001")}

# One row of each venue's list of spot pairs, likewise, by the symbol that it has for us.
SPOT: dict[str, tuple[str, dict[str, Any]]] = {
    "okx": ("BTC-USDT", {
        "instType": "SPOT", "instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "settleCcy": "",
        "ctVal": "", "ctMult": "", "ctType": "", "lotSz": "0.00000001", "minSz": "0.00001",
        "tickSz": "0.1", "state": "live", "lever": "10", "listTime": "1548133413000", "expTime": "",
    }),
    "bitget": ("BTCUSDT@spot", {
        "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "minTradeAmount": "0",
        "maxTradeAmount": "10000", "takerFeeRate": "0.001", "makerFeeRate": "0.001",
        "pricePrecision": "2", "quantityPrecision": "6", "quotePrecision": "8", "minTradeUSDT": "5",
        "status": "online", "buyLimitPriceRatio": "0.05", "sellLimitPriceRatio": "0.05",
    }),
    "bingx": ("BTC-USDT@spot", {
        "symbol": "BTC-USDT", "minQty": 0.00001, "maxQty": 10, "minNotional": 5, "maxNotional": 200000,
        "status": 1, "tickSize": 0.01, "stepSize": 0.00001, "apiStateSell": True, "apiStateBuy": True,
    }),
}  # fmt: skip


class Fixed:
    def now(self) -> int:
        return NOW


@pytest.fixture(params=VENUES)
def venue(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _codec(venue: str, **more: Any) -> Codec:
    codec = Codec(venue, Fixed(), **more)
    assert codec.set_instruments([INSTRUMENTS[venue]]) == ()
    return codec


def _sent(signed: SignedRequest) -> Mapping[str, Any]:
    """What the venue reads: body or query."""
    if signed.body:
        body: dict[str, Any] = json.loads(signed.body)
        return body
    return dict(parse_qsl(urlsplit(signed.url).query))


def _check_signature(venue: str, signed: SignedRequest, *, now: int = NOW) -> None:
    """The venue's own check, written from its document and nothing of ccxt."""
    url = urlsplit(signed.url)
    key, secret, phrase = "key-1", b"secret-2", "phrase-3"
    if venue == "bingx":  # HMAC-SHA256 hex over the sorted, unencoded query before `&signature=`
        pairs = parse_qsl(url.query, keep_blank_values=True)
        text = "&".join(f"{name}={value}" for name, value in pairs if name != "signature")
        assert [name for name, _ in pairs[:-1]] == sorted(name for name, _ in pairs[:-1])
        assert pairs[-1] == ("signature", hmac.new(secret, text.encode(), hashlib.sha256).hexdigest())
        assert dict(pairs)["timestamp"] == str(now // 1_000_000)
        assert signed.headers["X-BX-APIKEY"] == key
        return
    prefix, stamp = ("OK-ACCESS", _iso(now)) if venue == "okx" else ("ACCESS", str(now // 1_000_000))
    target = url.path + (f"?{url.query}" if url.query else "")
    text = stamp + signed.method + target + signed.body.decode()
    want = base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()
    assert signed.headers[f"{prefix}-SIGN"] == want
    assert signed.headers[f"{prefix}-TIMESTAMP"] == stamp
    assert (signed.headers[f"{prefix}-KEY"], signed.headers[f"{prefix}-PASSPHRASE"]) == (key, phrase)


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S") + ".123Z"


def test_an_order_is_what_the_venue_documents(venue: str) -> None:
    """Law: a limit order carries just instrument, side, size, price and id, by the venue's names."""
    codec = _codec(venue)
    request = codec.order_request(
        IDS[venue], side="buy", size=STEPS[venue], price=Decimal("50000.1"), client_order_id=ORDER_ID
    )
    step = f"{STEPS[venue]:f}"
    want = {
        "okx": {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": step,
                "px": "50000.1", "clOrdId": ORDER_ID},
        "bitget": {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "marginMode": "crossed",
                   "marginCoin": "USDT", "side": "buy", "orderType": "limit", "size": step,
                   "price": "50000.1", "force": "GTC", "clientOid": ORDER_ID},
        "bingx": {"symbol": "BTC-USDT", "side": "BUY", "positionSide": "BOTH", "type": "LIMIT",
                  "quantity": step, "price": "50000.1", "clientOrderId": ORDER_ID},
    }[venue]  # fmt: skip
    assert request.params == want
    assert request.method == "POST"
    signed = codec.sign(CREDENTIALS, request)
    assert {name: _sent(signed)[name] for name in want} == want
    assert signed.url.partition("?")[0] == {
        "okx": "https://www.okx.com/api/v5/trade/order",
        "bitget": "https://api.bitget.com/api/v2/mix/order/place-order",
        "bingx": "https://open-api.bingx.com/openApi/swap/v2/trade/order",
    }[venue]  # fmt: skip


def test_signatures_hold_against_the_venues_own_check(venue: str) -> None:
    """Law: POST with a body and GET with a query verify, now and with a time set back."""
    codec = _codec(venue)
    order = codec.order_request(IDS[venue], side="sell", size=Decimal(1), client_order_id=ORDER_ID)
    _check_signature(venue, codec.sign(CREDENTIALS, order))
    symbol = "BTC/USDT:USDT"
    query = codec.build(lambda ccxt: ccxt.fetch_open_orders(symbol))
    assert query.method == "GET"
    signed = codec.sign(CREDENTIALS, query)
    assert urlsplit(signed.url).query
    _check_signature(venue, signed)
    set_back = codec.sign(CREDENTIALS, order, set_back_ns=27 * NS_PER_S)
    _check_signature(venue, set_back, now=NOW - 27 * NS_PER_S)


def test_no_broker_mark_is_sent(venue: str) -> None:
    """Law: neither a broker's tag nor a broker's header leaves, and headers asked for do."""
    codec = _codec(venue)
    order = codec.order_request(IDS[venue], side="buy", size=Decimal(1), client_order_id=ORDER_ID)
    signed = codec.sign(CREDENTIALS, order, headers={"expTime": "5"})
    assert "tag" not in _sent(signed)
    documented = {
        "okx": {
            "OK-ACCESS-KEY",
            "OK-ACCESS-SIGN",
            "OK-ACCESS-TIMESTAMP",
            "OK-ACCESS-PASSPHRASE",
            "Content-Type",
        },
        "bitget": {"ACCESS-KEY", "ACCESS-SIGN", "ACCESS-TIMESTAMP", "ACCESS-PASSPHRASE", "Content-Type"},
        "bingx": {"X-BX-APIKEY"},
    }[venue]
    assert set(signed.headers) == documented | {"expTime"}
    assert "ccxt" not in repr((dict(signed.headers), signed.url, signed.body)).lower()


def test_an_order_that_would_be_tagged_is_refused() -> None:
    """Law: ccxt's way to tag an OKX order, leaving out its client id, raises instead."""
    codec = _codec("okx")
    order = codec.build(lambda ccxt: ccxt.create_order("BTC/USDT:USDT", "market", "buy", "1"))
    with pytest.raises(ValueError, match="broker's tag"):
        codec.sign(CREDENTIALS, order)


def test_what_the_venue_would_not_take_as_it_is_is_refused(venue: str) -> None:
    """Law: a size or price off its step, a wrong id or an unknown instrument raises, naming it."""
    codec = _codec(venue)

    def order(instrument: str = IDS[venue], **changed: Any) -> object:
        whole: dict[str, Any] = {"side": "buy", "size": Decimal(1), "client_order_id": ORDER_ID, **changed}
        return codec.order_request(instrument, **whole)

    with pytest.raises(ValueError, match=r"size 0\.123456789"):
        order(size=Decimal("0.123456789"))
    with pytest.raises(ValueError, match=r"price 50000\.123"):
        order(price=Decimal("50000.123"))
    with pytest.raises(ValueError, match="'A-B'"):
        order(client_order_id="A-B")
    with pytest.raises(ValueError, match="'NO-SUCH'"):
        order("NO-SUCH")
    with pytest.raises(ValueError, match="'kraken'"):
        Codec("kraken", Fixed())
    with pytest.raises(ValueError, match="no request"):
        codec.build(lambda ccxt: ccxt.market("BTC/USDT:USDT"))


PARAMS: dict[str, list[dict[str, Any]]] = {
    "okx": [{}, {"tdMode": "cross", "reduceOnly": True}, {"tdMode": "isolated", "posSide": "long"}],
    "bitget": [{}, {"reduceOnly": True}, {"hedged": True}, {"timeInForce": "IOC"}],
    "bingx": [{}, {"reduceOnly": True}, {"hedged": True}, {"stopPrice": "49000"}],
}
FORMED = {name: Codec(name, Fixed()) for name in VENUES}
for name, formed in FORMED.items():
    formed.set_instruments([INSTRUMENTS[name]], [SPOT[name][1]])


@settings(max_examples=300)
@given(data=st.data())
def test_a_form_that_is_filled_in_is_what_ccxt_would_build(data: st.DataObject) -> None:
    """Law: whatever orders came before, what is sent, or the refusal, is what ccxt makes of the order."""
    venue = data.draw(st.sampled_from(VENUES))
    formed, fresh = FORMED[venue], Codec(venue, Fixed())
    fresh.set_instruments([INSTRUMENTS[venue]], [SPOT[venue][1]])
    order: dict[str, Any] = {
        "side": data.draw(st.sampled_from(["buy", "sell"])),
        "size": data.draw(st.decimals("-1", "200", places=5) | st.integers(0, 300).map(Decimal)),
        "price": data.draw(st.none() | st.decimals(0, 70_000, places=1) | st.decimals(1, 2, places=3)),
        "client_order_id": data.draw(st.from_regex("[a-z0-9]{32}", fullmatch=True)),
        "params": data.draw(st.sampled_from(PARAMS[venue])),
    }
    instrument = data.draw(st.sampled_from([IDS[venue], SPOT[venue][0]]))
    assert _made(formed, instrument, order) == _made(fresh, instrument, order)


def _made(codec: Codec, instrument: str, order: dict[str, Any]) -> object:
    try:
        return codec.sign(CREDENTIALS, codec.order_request(instrument, **order))
    except ValueError as error:
        return str(error)


def test_an_odd_instrument_is_named_and_the_others_are_set(venue: str) -> None:
    """Law: a row without steps, an empty one or no row at all is told of; the good one trades."""
    steps = {"lotSz", "tickSz", "volumePlace", "pricePlace", "quantityPrecision", "pricePrecision"}
    good = INSTRUMENTS[venue]
    stepless = {name: value for name, value in good.items() if name not in steps}
    odd: Any = ({}, stepless, "text")
    codec = Codec(venue, Fixed())
    unusable = codec.set_instruments([*odd, good])
    assert [line.split(":")[0] for line in unusable] == [f"swap instrument row {n}" for n in range(3)]
    codec.order_request(IDS[venue], side="buy", size=Decimal(1), client_order_id=ORDER_ID)


def test_every_url_can_point_elsewhere(venue: str) -> None:
    """Law: with a base URL requests go to that origin, their paths and signatures unchanged."""
    codec = _codec(venue, base_url="http://127.0.0.1:8080/")
    plain = _codec(venue)
    order = codec.order_request(IDS[venue], side="buy", size=Decimal(1), client_order_id=ORDER_ID)
    moved, signed = codec.sign(CREDENTIALS, order), plain.sign(CREDENTIALS, order)
    assert urlsplit(moved.url)[:2] == ("http", "127.0.0.1:8080")
    assert urlsplit(moved.url)[2:] == urlsplit(signed.url)[2:]
    assert moved.headers == signed.headers


def test_credentials_stay_out_of_sight(venue: str) -> None:
    """Law: no secret is in a repr, nor on the codec after signing, whether it succeeded or not."""
    codec = _codec(venue)
    order = codec.order_request(IDS[venue], side="buy", size=Decimal(1), client_order_id=ORDER_ID)
    signed = codec.sign(CREDENTIALS, order)
    shown = repr(signed) + repr(CREDENTIALS) + str(CREDENTIALS.secret) + repr(order) + repr(vars(codec._ccxt))
    for secret in ("key-1", "secret-2", "phrase-3", signed.headers.get("OK-ACCESS-SIGN", "key-1")):
        assert secret not in shown
    with pytest.raises(Exception, match="requires"):
        codec.sign(Credentials(Secret("key-1"), Secret(""), Secret("")), order)
    assert "key-1" not in repr(vars(codec._ccxt))
    with pytest.raises(TypeError):
        pickle.dumps(CREDENTIALS.secret)


def test_parsed_numbers_are_decimals() -> None:
    """Law: what ccxt parses for us holds Decimals, not floats."""
    codec = _codec("okx")
    raw = {"instId": "BTC-USDT-SWAP", "ordId": "1", "clOrdId": ORDER_ID, "sz": "0.3", "accFillSz": "0.1",
           "px": "50000.1", "avgPx": "50000.1", "state": "partially_filled", "side": "buy",
           "ordType": "limit", "cTime": "1", "uTime": "2"}  # fmt: skip
    order = codec.parse(lambda ccxt: ccxt.parse_order(raw))
    assert (order["amount"], order["filled"], order["price"]) == (
        Decimal("0.3"),
        Decimal("0.1"),
        Decimal("50000.1"),
    )


def test_only_three_venues_are_imported_and_ccxt_still_can_be() -> None:
    """Law: a process with all codecs holds no other venue, and a later plain import works as ever."""
    script = """
import sys
from spider_common.clock import SystemClock
from spider_common.sdk.ccxt import VENUES, Codec
codecs = [Codec(venue, SystemClock()) for venue in VENUES]
assert "ccxt" not in sys.modules and "ccxt.binance" not in sys.modules, "more than the codecs need"
assert sum(name.startswith("ccxt.") for name in sys.modules) < 40
import ccxt, ccxt.async_support, ccxt.pro
assert issubclass(type(codecs[0]._ccxt), ccxt.okx) and ccxt.binance().id == "binance"
from ccxt.base.errors import BaseError
assert BaseError is ccxt.BaseError
assert ccxt.async_support.okx().id == ccxt.pro.okx().id == "okx"
again = Codec("okx", SystemClock())
"""
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": "libs"}, timeout=60)


def test_spot_beside_the_swap_of_its_name(venue: str) -> None:
    """A spot order and a swap order are two requests, each with size, price and id as asked."""
    symbol, row = SPOT[venue]
    codec = Codec(venue, Fixed())
    assert codec.set_instruments([INSTRUMENTS[venue]], [row]) == ()
    swap, spot = (
        codec.order_request(
            name, side="buy", size=Decimal("0.01"), client_order_id=ORDER_ID, price=Decimal("60000.1")
        )
        for name in (IDS[venue], symbol)
    )
    assert (swap.api, swap.path, swap.params) != (spot.api, spot.path, spot.params)
    sent = [str(value) for value in spot.params.values()]
    assert {"0.01", "60000.1", ORDER_ID, symbol.removesuffix("@spot")} <= set(sent)
