"""What Bitget's documentation shows, and plain rows of its shape."""

import json
from decimal import Decimal
from typing import Any

from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import InstrumentList
from tests.strategies import spot, swap

# https://www.bitget.com/api-doc/contract/websocket/private/Order-Channel, "Push Data"
ORDER_PUSH = (
    '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"orders","instId":"default"},"data":[{'
    '"accBaseVolume":"0.01","cTime":"1695718781129","clientOid":"1","feeDetail":[{"feeCoin":"USDT",'
    '"fee":"-0.162003"}],"fillFee":"-0.162003","fillFeeCoin":"USDT","fillNotionalUsd":"270.005",'
    '"fillPrice":"27000.5","baseVolume":"0.01","fillTime":"1695718781146","force":"gtc","instId":"BTCUSDT",'
    '"leverage":"20","marginCoin":"USDT","marginMode":"crossed","notionalUsd":"270","orderId":"1",'
    '"orderType":"market","pnl":"0","posMode":"hedge_mode","posSide":"long","price":"0",'
    '"priceAvg":"27000.5","reduceOnly":"no","side":"buy","size":"0.01","enterPointSource":"WEB",'
    '"status":"filled","tradeScope":"T","tradeId":"1111111111","tradeSide":"open","uTime":"1695718781146"}],'
    '"ts":1695718781206}'
)
# .../Plan-Order-Channel
PLAN_PUSH = (
    '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"orders-algo","instId":"default"},'
    '"data":[{"instId":"BTCUSDT","orderId":"1","clientOid":"1","triggerPrice":"27000.000000000",'
    '"triggerType":"fill_price","triggerTime":"1695719197612","planType":"pl","price":"27000.000000000",'
    '"executePrice":"27000.000000000","size":"0.020000000","actualSize":"0.000000000","orderType":"market",'
    '"side":"buy","tradeSide":"open","posSide":"long","marginCoin":"USDT","status":"live",'
    '"posMode":"hedge_mode","enterPointSource":"web","stopSurplusTriggerType":"fill_price",'
    '"stopLossTriggerType":"fill_price","stpMode":"cancel_taker","cTime":"1695719197612",'
    '"uTime":"1695719197612"}],"ts":1695719197733}'
)
# .../Positions-Channel
POSITION_PUSH = (
    '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"positions","instId":"default"},"data":[{'
    '"posId":"1","instId":"ETHUSDT","marginCoin":"USDT","marginSize":"9.5","marginMode":"crossed",'
    '"holdSide":"short","posMode":"hedge_mode","total":"0.1","available":"0.1","frozen":"0",'
    '"openPriceAvg":"1900","leverage":20,"achievedProfits":"0","unrealizedPL":"0","unrealizedPLR":"0",'
    '"liquidationPrice":"5788.108475905242","keepMarginRate":"0.005","cTime":"1695649246169",'
    '"uTime":"1695711602568"}],"ts":1695717430441}'
)
# .../Account-Channel
ACCOUNT_PUSH = (
    '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"account","coin":"default"},"data":[{'
    '"marginCoin":"USDT","frozen":"5.36581500","available":"26.14309528","maxOpenPosAvailable":"20.77728028",'
    '"maxTransferOut":"20.77728028","equity":"26.14309528","usdtEquity":"26.143095285166"}],'
    '"ts":1701932570822}'
)
# .../Fill-Channel
FILL_PUSH = (
    '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"fill","instId":"default"},"data":[{'
    '"orderId":"111","tradeId":"222","symbol":"BTCUSDT","orderType":"market","side":"buy",'
    '"price":"51000.5","baseVolume":"0.01","quoteVolume":"510.005","profit":"0","tradeSide":"open",'
    '"posMode":"hedge_mode","tradeScope":"taker","feeDetail":[{"feeCoin":"USDT","deduction":"no",'
    '"totalDeductionFee":"0","totalFee":"-0.183717"}],"cTime":"1703577336606","uTime":"1703577336606"}],'
    '"ts":1703577336700}'
)
PUSHES = (ORDER_PUSH, PLAN_PUSH, POSITION_PUSH, ACCOUNT_PUSH, FILL_PUSH)

# https://www.bitget.com/api-doc/spot/websocket/private/Order-Channel, with the fields of a partial fill
SPOT_ORDER_PUSH = (
    '{"action":"snapshot","arg":{"instType":"SPOT","channel":"orders","instId":"default"},"data":[{'
    '"instId":"BTCUSDT","orderId":"1171779081105780739","price":"27000.5","clientOid":"mine",'
    '"notional":"54.001","newSize":"0.002","size":"54.001","orderType":"limit","force":"gtc","side":"buy",'
    '"accBaseVolume":"0.0015","priceAvg":"27000.1","status":"partially_filled","cTime":"1715099824215",'
    '"uTime":"1715099824300","feeDetail":[],"enterPointSource":"API","fillPrice":"27000","tradeId":"222",'
    '"baseVolume":"0.0005","fillTime":"1715099824299","fillFee":"-0.0000005","fillFeeCoin":"BTC",'
    '"tradeScope":"T"}],"ts":1715099824310}'
)
# .../Plan-Order-Channel
SPOT_PLAN_PUSH = (
    '{"action":"snapshot","arg":{"instType":"SPOT","channel":"orders-algo","instId":"default"},"data":[{'
    '"instId":"BTCUSDT","orderId":"1","clientOid":"1","triggerPrice":"35100","price":"35100",'
    '"executePrice":"35123","triggerType":"fill_price","planType":"amount","size":"0.002",'
    '"orderType":"limit","side":"sell","status":"live","enterPointSource":"API","cTime":"1701919734001",'
    '"uTime":"1701919734001","stpMode":"none"}],"ts":1701919734100}'
)
# .../Account-Channel
SPOT_ACCOUNT_PUSH = (
    '{"action":"snapshot","arg":{"instType":"SPOT","channel":"account","coin":"default"},"data":[{'
    '"coin":"BTC","available":"0.5","frozen":"0.25","locked":"0","limitAvailable":"0",'
    '"uTime":"1697092295506"},{"coin":"USDT","available":"100000","frozen":"0","locked":"0",'
    '"limitAvailable":"0","uTime":"1697092295506"}],"ts":1695713887792}'
)
# .../Fill-Channel
SPOT_FILL_PUSH = (
    '{"action":"snapshot","arg":{"instType":"SPOT","channel":"fill","instId":"default"},"data":[{'
    '"orderId":"111","tradeId":"222","symbol":"BTCUSDT","orderType":"market","side":"buy",'
    '"priceAvg":"13000","size":"0.0007","amount":"9.1","tradeScope":"taker","feeDetail":[{"feeCoin":"BTC",'
    '"deduction":"no","totalDeductionFee":"","totalFee":"-0.0000007"}],"cTime":"1695865232579",'
    '"uTime":"1695865233027"}],"ts":1695865233100}'
)
SPOT_PUSHES = (SPOT_ORDER_PUSH, SPOT_PLAN_PUSH, SPOT_ACCOUNT_PUSH, SPOT_FILL_PUSH)
# https://www.bitget.com/api-doc/spot/trade/Get-Order-Info, of the order of the push
SPOT_INFO: dict[str, Any] = {
    "userId": "7264631750",
    "symbol": "BTCUSDT",
    "orderId": "1171779081105780739",
    "clientOid": "mine",
    "price": "27000.5000000000000000",
    "size": "0.0020000000000000",
    "orderType": "limit",
    "side": "buy",
    "status": "partially_filled",
    "priceAvg": "27000.1000000000000000",
    "baseVolume": "0.0015000000000000",
    "quoteVolume": "40.5001500000000000",
    "enterPointSource": "API",
    "orderSource": "normal",
    "cTime": "1715099824215",
    "uTime": "1715099824300",
}
# https://www.bitget.com/api-doc/spot/market/Get-Symbols
SPOT_PAIR: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "minTradeAmount": "0",
    "maxTradeAmount": "10000",
    "takerFeeRate": "0.001",
    "makerFeeRate": "0.001",
    "pricePrecision": "2",
    "quantityPrecision": "6",
    "quotePrecision": "8",
    "minTradeUSDT": "1",
    "status": "online",
    "buyLimitPriceRatio": "0.05",
    "sellLimitPriceRatio": "0.05",
}

# https://www.bitget.com/api-doc/contract/trade/Get-Order-Details
DETAIL: dict[str, Any] = {
    "symbol": "btcusdt",
    "size": "2",
    "orderId": "123456",
    "clientOid": "77777",
    "baseVolume": "2",
    "priceAvg": "1900",
    "fee": "",
    "price": "1900",
    "state": "filled",
    "side": "buy",
    "force": "gtc",
    "totalProfits": "2112",
    "posSide": "long",
    "marginCoin": "usdt",
    "presetStopSurplusPrice": "1910",
    "presetStopLossPrice": "1890",
    "quoteVolume": "1900",
    "orderType": "limit",
    "leverage": "20",
    "marginMode": "cross",
    "reduceOnly": "yes",
    "enterPointSource": "api",
    "tradeSide": "",
    "posMode": "one_way_mode",
    "orderSource": "normal",
    "cTime": "1627300098776",
    "uTime": "1627300098776",
}
# https://www.bitget.com/api-doc/contract/market/Get-All-Symbols-Contracts
CONTRACT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "minTradeNum": "0.001",
    "priceEndStep": "5",
    "volumePlace": "3",
    "pricePlace": "1",
    "sizeMultiplier": "0.001",
    "symbolType": "perpetual",
    "minTradeUSDT": "5",
    "symbolStatus": "normal",
    "supportMarginCoins": ["USDT"],
    "maxLever": "125",
}

INSTRUMENTS = InstrumentList(
    [
        swap(Venue.BITGET, "BTCUSDT", contract_size="1", lot="0.001", minimum="0.001"),
        swap(Venue.BITGET, "ETHUSDT", contract_size="1", lot="0.001", minimum="0.001"),
        spot(Venue.BITGET, "BTCUSDT@spot", lot="0.000001"),
    ]
)
STEP = Decimal("0.001")


def sample(text: str = ORDER_PUSH) -> dict[str, Any]:
    """A documented push, decoded."""
    decoded: dict[str, Any] = json.loads(text)
    return decoded


def pushed(**instead: Any) -> dict[str, Any]:
    """The row of the documented order push, but for what is given; None takes a field out."""
    row = sample()["data"][0] | instead
    return {name: value for name, value in row.items() if value is not None}


def queried(row: dict[str, Any], *, status: str = "state") -> dict[str, Any]:
    """The row of a push as REST would tell the same order."""
    asked = row | {"symbol": row["instId"], "baseVolume": row["accBaseVolume"], status: row["status"]}
    if row["price"] == "0":
        asked["price"] = ""
    dropped = {"instId", "accBaseVolume", "tradeId", "fillPrice", "fillTime", "fillFee", "fillFeeCoin"}
    return {name: value for name, value in asked.items() if name not in dropped}
