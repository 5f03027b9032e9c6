"""An unmodified ccxt okx client in its own process: does a fixed list of things and prints what it saw.

Arguments: the REST port, the socket port, and what to do: `rest`, `spot` or `watch`. Prints one JSON object.
"""

import asyncio
import json
import sys

import ccxt.pro

SYMBOL = "BTC/USDT:USDT"


def client(rest_port, socket_port):
    return ccxt.pro.okx(
        {
            "apiKey": "alice",
            "secret": "alice-secret",
            "password": "alice-pass",
            "urls": {
                "api": {
                    "rest": f"http://127.0.0.1:{rest_port}",
                    "ws": f"ws://127.0.0.1:{socket_port}/ws/v5",
                }
            },
        }
    )


async def rest(okx):
    seen = {}
    markets = await okx.load_markets()
    seen["markets"] = sorted(markets)
    seen["contract_size"] = markets[SYMBOL]["contractSize"]
    seen["time"] = await okx.fetch_time()
    await okx.set_leverage(20, SYMBOL, {"mgnMode": "cross"})
    market = await okx.create_order(SYMBOL, "market", "buy", 2, None, {"clientOrderId": "market1"})
    seen["market"] = (await okx.fetch_order(market["id"], SYMBOL))["status"]
    limit = await okx.create_order(SYMBOL, "limit", "buy", 3, 50000, {"clientOrderId": "limit1"})
    post_only = await okx.create_order(SYMBOL, "limit", "buy", 1, 51000, {"postOnly": True})
    seen["open"] = sorted(o["amount"] for o in await okx.fetch_open_orders(SYMBOL))
    await okx.edit_order(limit["id"], SYMBOL, "limit", "buy", 4, 50500)
    amended = await okx.fetch_order(limit["id"], SYMBOL)
    seen["amended"] = [amended["amount"], amended["price"], amended["status"], amended["clientOrderId"]]
    await okx.cancel_order(limit["id"], SYMBOL)
    await okx.cancel_orders([post_only["id"]], SYMBOL)
    seen["canceled"] = sorted(o["id"] for o in await okx.fetch_canceled_orders(SYMBOL)) == sorted(
        [limit["id"], post_only["id"]]
    )
    seen["closed"] = [(o["id"] == market["id"], o["filled"]) for o in await okx.fetch_closed_orders(SYMBOL)]
    (position,) = await okx.fetch_positions([SYMBOL])
    seen["position"] = [position["side"], position["contracts"], position["entryPrice"], position["leverage"]]
    balance = await okx.fetch_balance()
    seen["usdt"] = balance["USDT"]["total"]
    seen["trades"] = [
        [t["order"] == market["id"], t["amount"], t["price"], t["takerOrMaker"], t["fee"]["cost"]]
        for t in await okx.fetch_my_trades(SYMBOL)
    ]
    seen["errors"] = []
    for act in (
        lambda: okx.cancel_order("1", SYMBOL),
        lambda: okx.fetch_order("1", SYMBOL),
        lambda: okx.create_order(SYMBOL, "market", "buy", 500000),
        lambda: okx.create_order(SYMBOL, "market", "sell", 1, None, {"posSide": "long"}),
    ):
        try:
            await act()
        except ccxt.BaseError as error:
            seen["errors"].append(type(error).__name__)
    await okx.create_order(SYMBOL, "market", "sell", 2, None, {"reduceOnly": True})
    await okx.set_position_mode(True)
    long = await okx.create_order(SYMBOL, "market", "buy", 1, None, {"posSide": "long"})
    seen["hedged"] = [(p["side"], p["contracts"]) for p in await okx.fetch_positions() if long["id"]]
    return seen


async def spot(okx):
    pair = "BTC/USDT"
    await okx.load_markets()
    bought = await okx.create_order(pair, "market", "buy", 0.01, None, {"tgtCcy": "base_ccy"})
    resting = await okx.create_order(pair, "limit", "buy", 0.02, 50000, {"clientOrderId": "spot1"})
    open_orders = [(o["id"] == resting["id"], o["amount"]) for o in await okx.fetch_open_orders(pair)]
    found = await okx.fetch_order(None, pair, {"clientOrderId": "spot1"})
    await okx.cancel_order(resting["id"], pair)
    return {
        "bought": (await okx.fetch_order(bought["id"], pair))["filled"],
        "open": open_orders,
        "found": [found["id"] == resting["id"], found["status"]],
        "canceled": (await okx.fetch_order(resting["id"], pair))["status"],
        "held": (await okx.fetch_balance())["BTC"]["total"],
    }


async def watch(okx):
    await okx.load_markets()
    await okx.authenticate()
    first = asyncio.ensure_future(okx.watch_orders(SYMBOL))
    # the account channel answers with a snapshot: once it is here, the subscription before it is in place
    await asyncio.ensure_future(okx.watch_balance())
    okx.newUpdates = True
    resting = await okx.create_order(SYMBOL, "limit", "buy", 3, 59000)
    statuses = [(await first)[-1]["status"]]
    await okx.cancel_order(resting["id"], SYMBOL)
    statuses.append((await okx.watch_orders(SYMBOL))[-1]["status"])
    order = await okx.create_order(SYMBOL, "limit", "buy", 3, 60010, {"clientOrderId": "watched"})
    last = (await okx.watch_orders(SYMBOL))[-1]
    while last["status"] != "closed":
        last = (await okx.watch_orders(SYMBOL))[-1]
    return {
        "statuses": statuses,
        "same": last["id"] == order["id"],
        "client_order_id": last["clientOrderId"],
        "filled": last["filled"],
        "average": last["average"],
    }


async def main():
    okx = client(*sys.argv[1:3])
    try:
        seen = await {"rest": rest, "spot": spot, "watch": watch}[sys.argv[3]](okx)
        sys.stdout.write(json.dumps(seen))
    finally:
        await okx.close()


asyncio.run(main())
