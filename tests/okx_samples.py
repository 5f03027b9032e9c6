"""What OKX's documentation shows, and plain rows of its shape."""

import json
from decimal import Decimal
from typing import Any

from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList
from tests.strategies import swap

# https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel, "Push data example"
ORDER_PUSH = (
    '{"arg":{"channel":"orders","instType":"SPOT","instId":"BTC-USDT","uid":"614488474791936"},"data":[{'
    '"accFillSz":"0.001","algoClOrdId":"","algoId":"","amendResult":"","amendSource":"","avgPx":"31527.1",'
    '"cancelSource":"","category":"normal","ccy":"","clOrdId":"","code":"0","cTime":"1654084334977",'
    '"execType":"M","fee":"-0.02522168","feeCcy":"USDT","fillFee":"-0.02522168","fillFeeCcy":"USDT",'
    '"fillNotionalUsd":"31.50818374","fillPx":"31527.1","fillSz":"0.001","fillPnl":"0.01",'
    '"fillTime":"1654084353263","instId":"BTC-USDT","instType":"SPOT","lever":"0","msg":"",'
    '"notionalUsd":"31.50818374","ordId":"452197707845865472","ordType":"limit","pnl":"0","posSide":"",'
    '"px":"31527.1","quickMgnType":"","rebate":"0","rebateCcy":"BTC","reduceOnly":"false","reqId":"",'
    '"side":"sell","attachAlgoClOrdId":"","slOrdPx":"","slTriggerPx":"","slTriggerPxType":"last","source":"",'
    '"state":"filled","stpMode":"","sz":"0.001","tag":"","tdMode":"cash","tgtCcy":"","tpOrdPx":"",'
    '"tpTriggerPx":"","tpTriggerPxType":"last","attachAlgoOrds":[],"tradeId":"242589207",'
    '"tradeQuoteCcy":"USDT","lastPx":"38892.2","uTime":"1654084353264","isTpLimit":"false",'
    '"linkedAlgoOrd":{"algoId":""}}]}'
)

SPOT = Instrument(
    venue=Venue.OKX,
    symbol="BTC-USDT",
    kind=InstrumentKind.SPOT,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=Decimal(1),
    lot=Decimal("0.00000001"),
    minimum=Decimal("0.00001"),
    tick=Decimal("0.1"),
)
INSTRUMENTS = InstrumentList(
    [SPOT, swap(Venue.OKX, "BTC-USDT-SWAP", contract_size="0.01", lot="0.01", minimum="0.01")]
)

# A row of public/instruments, https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments
LISTED: dict[str, Any] = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "uly": "BTC-USDT",
    "instFamily": "BTC-USDT",
    "baseCcy": "",
    "quoteCcy": "",
    "settleCcy": "USDT",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "ctType": "linear",
    "lotSz": "0.01",
    "minSz": "0.01",
    "tickSz": "0.1",
    "maxLmtSz": "100000000",
    "maxMktSz": "12000",
    "state": "live",
    "lever": "100",
    "listTime": "1573557408000",
    "expTime": "",
}


def sample() -> dict[str, Any]:
    """The documented push, decoded."""
    frame: dict[str, Any] = json.loads(ORDER_PUSH)
    return frame


def order_row(**fields: str) -> dict[str, Any]:
    """A swap order of 3 contracts, 1 of them filled, with `fields` in place of its own."""
    given = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "ordId": "312269865356374016",
        "clOrdId": "",
        "side": "buy",
        "posSide": "net",
        "reduceOnly": "false",
        "ordType": "limit",
        "state": "partially_filled",
        "sz": "3",
        "accFillSz": "1",
        "px": "60000",
        "avgPx": "59999.5",
        "tradeId": "",
        "uTime": "1700000000123",
    }
    return given | fields
