"""BingX frames and rows as its documentation shows them, and the instruments that they speak of."""

import gzip
import json
from decimal import Decimal

from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList

ACCOUNT = AccountId("bingx-leader")
SEEN = 1_758_608_900_000_000_000


def listed(symbol="BTC-USDT", kind=InstrumentKind.SWAP):
    return Instrument(
        venue=Venue.BINGX,
        symbol=symbol,
        kind=kind,
        base=symbol.partition("-")[0],
        quote="USDT",
        settle="USDT",
        contract_size=Decimal(1),
        lot=Decimal("0.0001"),
        minimum=Decimal("0.0001"),
        tick=Decimal("0.1"),
    )


INSTRUMENTS = InstrumentList([listed(), listed("LTC-USDT@spot", InstrumentKind.SPOT)])

TRADE_UPDATE = json.loads(
    '{"e":"TRADE_UPDATE","E":1758608899350,"T":1758608899316,"o":{"s":"BTC-USDT","c":"","i":1970374651259388000,'
    '"S":"SELL","o":"MARKET","q":"0.00100000","p":"112848.10000000","sp":"0.00000000","ap":"112848.10000000",'
    '"x":"TRADE","X":"FILLED","N":"USDT","n":"-0.05642405","T":1758608899316,"wt":"","ps":"SHORT",'
    '"rp":"0.00000000","z":"0.00100000","sg":"false","ti":0,"ro":false,"td":511178071,"tv":"112.8"}}'
)
ORDER_TRADE_UPDATE = json.loads(
    '{"e":"ORDER_TRADE_UPDATE","E":1696843635475,"o":{"s":"BTC-USDT","c":"","i":"1711312357852147712",'
    '"S":"BUY","o":"LIMIT","q":"0.10000000","p":"64.35010000","ap":"64.36000000","x":"NEW","X":"NEW",'
    '"N":"USDT","n":"0","T":0,"wt":"MARK_PRICE","ps":"LONG","rp":"0.00000000","z":"0.00000000"}}'
)
ACCOUNT_UPDATE = json.loads(
    '{"e":"ACCOUNT_UPDATE","E":1696244249320,"T":1696244249321,"a":{"m":"ORDER","B":[{"a":"USDT",'
    '"wb":"49.81083984","cw":"49.81083984","bc":"-1.00000000"}],"P":[{"s":"BTC-USDT","pa":"5.000",'
    '"ep":"11.2345","up":"0.5000","mt":"cross","iw":"0","ps":"SHORT"}]}}'
)
CONFIGURATION = {
    "e": "ACCOUNT_CONFIG_UPDATE",
    "E": 1696244249320,
    "ac": {"s": "BTC-USDT", "l": 20, "S": 20, "mt": "cross"},
}
EXPIRED = {"e": "listenKeyExpired", "E": 1696244249320, "listenKey": "a8ea75681542e66f"}
SPOT = json.loads(
    '{"code":0,"dataType":"spot.executionReport","data":{"e":"executionReport","E":1694681809302,'
    '"s":"LTC-USDT","S":"BUY","o":"MARKET","q":0,"p":62.29,"x":"TRADE","X":"FILLED","i":"1702245001712369664",'
    '"l":0.0802,"z":0.0802,"L":62.308,"n":-0.0000802,"N":"LTC","T":1694681809256,"t":38259147,'
    '"O":1694681809248,"Z":4.9971016,"Y":4.9971016,"Q":5,"m":false}}'
)
FRAMES = [TRADE_UPDATE, ORDER_TRADE_UPDATE, ACCOUNT_UPDATE, CONFIGURATION, EXPIRED, SPOT]

ORDER_ROW = {
    "symbol": "BTC-USDT",
    "orderId": 1709036527545438208,
    "side": "BUY",
    "positionSide": "LONG",
    "type": "TRIGGER_LIMIT",
    "origQty": "0.0010",
    "price": "22000.0",
    "executedQty": "0.0000",
    "avgPrice": "0.0",
    "cumQuote": "",
    "stopPrice": "23000.0",
    "profit": "",
    "commission": "",
    "status": "NEW",
    "time": 1696301035187,
    "updateTime": 1696301035187,
    "clientOrderId": "",
    "workingType": "MARK_PRICE",
}
FILL_ROW = {
    "filledTm": "2023-12-16T20:58:36Z",
    "volume": "4.10",
    "price": "3.1088",
    "qty": "4.10",
    "quoteQty": "12.7492",
    "commission": "-0.0025",
    "commissionAsset": "USDT",
    "orderId": "1736007768311123456",
    "tradeId": "511178071",
    "filledTime": "2023-12-16T20:58:36.000+0800",
    "symbol": "BTC-USDT",
    "role": "taker",
    "side": "BUY",
    "positionSide": "LONG",
}
POSITION_ROW = {
    "positionId": "1792480725958881280",
    "symbol": "BTC-USDT",
    "currency": "USDT",
    "positionAmt": "0.1",
    "availableAmt": "0.1",
    "positionSide": "SHORT",
    "isolated": False,
    "avgPrice": "83.53",
    "leverage": 6,
    "updateTime": 1721088016688,
}
CONTRACT_ROW = {
    "contractId": "100",
    "symbol": "BTC-USDT",
    "size": "0.0001",
    "quantityPrecision": 4,
    "pricePrecision": 1,
    "tradeMinQuantity": 0.0002,
    "tradeMinUSDT": 2,
    "maxLongLeverage": 125,
    "currency": "USDT",
    "asset": "BTC",
    "status": 1,
    "apiStateOpen": "true",
    "apiStateClose": "true",
}
BALANCE_ROW = {
    "userId": "116***295",
    "asset": "USDT",
    "balance": "194.8212",
    "equity": "196.7431",
    "unrealizedProfit": "1.9219",
}


def packed(body):
    """A frame as it comes over the wire."""
    return gzip.compress(body.encode() if isinstance(body, str) else json.dumps(body).encode())
