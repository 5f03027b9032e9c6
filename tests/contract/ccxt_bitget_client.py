"""An unmodified ccxt bitget client in its own process: does a fixed list of things and prints what it saw.

Arguments: the REST port, the socket port, and what to do: a name in `ACTS`. Prints one JSON object.
"""

import asyncio
import json
import sys

import ccxt.pro

SYMBOL = "BTC/USDT:USDT"
SPOT = "BTC/USDT"


def client(rest_port, socket_port):
    rest_url, socket_url = f"http://127.0.0.1:{rest_port}", f"ws://127.0.0.1:{socket_port}/v2/ws"
    exchange = ccxt.pro.bitget(
        {
            "apiKey": "alice",
            "secret": "alice-secret",
            "password": "alice-pass",
            "options": {"defaultType": "swap"},
        }
    )
    for section, address in exchange.urls["api"].items():
        if isinstance(address, str):
            exchange.urls["api"][section] = rest_url
    exchange.urls["api"]["ws"] |= {"private": f"{socket_url}/private", "public": f"{socket_url}/public"}
    return exchange


async def rest(bitget):
    seen = {}
    markets = await bitget.load_markets()
    seen["markets"] = sorted(markets)
    market = markets[SYMBOL]
    seen["steps"] = [market["precision"]["amount"], market["precision"]["price"], market["contractSize"]]
    seen["time"] = await bitget.fetch_time()
    await bitget.set_leverage(20, SYMBOL)
    market = await bitget.create_order(SYMBOL, "market", "buy", 0.02, None, {"clientOrderId": "market1"})
    seen["market"] = (await bitget.fetch_order(market["id"], SYMBOL))["status"]
    limit = await bitget.create_order(SYMBOL, "limit", "buy", 0.03, 50000, {"clientOrderId": "limit1"})
    post_only = await bitget.create_order(SYMBOL, "limit", "buy", 0.01, 51000, {"postOnly": True})
    seen["open"] = sorted(o["amount"] for o in await bitget.fetch_open_orders(SYMBOL))
    change = {"newClientOrderId": "limit2"}
    await bitget.edit_order(limit["id"], SYMBOL, "limit", "buy", 0.04, 50500, change)
    amended = await bitget.fetch_order("", SYMBOL, {"clientOrderId": "limit2"})
    seen["amended"] = [amended["amount"], amended["price"], amended["status"], amended["clientOrderId"]]
    await bitget.cancel_order(amended["id"], SYMBOL)
    await bitget.cancel_order(post_only["id"], SYMBOL)
    canceled = sorted(o["id"] for o in await bitget.fetch_canceled_orders(SYMBOL))
    seen["canceled"] = canceled == sorted([limit["id"], amended["id"], post_only["id"]])
    closed = await bitget.fetch_closed_orders(SYMBOL)
    seen["closed"] = [(o["id"] == market["id"], o["filled"]) for o in closed]
    (position,) = await bitget.fetch_positions([SYMBOL])
    seen["position"] = [position["side"], position["contracts"], position["entryPrice"], position["leverage"]]
    balance = await bitget.fetch_balance({"type": "swap"})
    seen["usdt"] = balance["USDT"]["total"]
    seen["trades"] = [
        [t["order"] == market["id"], t["amount"], t["price"], t["takerOrMaker"], t["fee"]["cost"]]
        for t in await bitget.fetch_my_trades(SYMBOL)
    ]
    stop = await bitget.create_order(
        SYMBOL, "market", "sell", 0.02, None, {"stopLossPrice": 55000, "clientOrderId": "stop1"}
    )
    trigger = await bitget.create_order(SYMBOL, "limit", "buy", 0.01, 61000, {"triggerPrice": 61500})
    pending = [*await bitget.fetch_open_orders(SYMBOL, params={"trigger": True, "planType": "profit_loss"})]
    pending += await bitget.fetch_open_orders(SYMBOL, params={"trigger": True})
    seen["conditional"] = [[o["id"] in (stop["id"], trigger["id"]), o["triggerPrice"]] for o in pending]
    await bitget.cancel_order(trigger["id"], SYMBOL, {"trigger": True, "planType": "normal_plan"})
    seen["errors"] = []
    for act in (
        lambda: bitget.cancel_order("1", SYMBOL),
        lambda: bitget.fetch_order("1", SYMBOL),
        lambda: bitget.create_order(SYMBOL, "market", "buy", 1000),
        lambda: bitget.create_order(SYMBOL, "limit", "buy", 0.01, 400),
    ):
        try:
            await act()
        except ccxt.BaseError as error:
            seen["errors"].append(type(error).__name__)
    await bitget.create_order(SYMBOL, "market", "sell", 0.02, None, {"reduceOnly": True})
    await bitget.set_position_mode(True, SYMBOL)
    await bitget.create_order(SYMBOL, "market", "buy", 0.02, None, {"hedged": True})
    await bitget.create_order(SYMBOL, "market", "sell", 0.01, None, {"hedged": True, "reduceOnly": True})
    seen["hedged"] = [(p["side"], p["contracts"]) for p in await bitget.fetch_positions([SYMBOL])]
    return seen


async def spot(bitget):
    seen = {}
    markets = await bitget.load_markets()
    seen["steps"] = [markets[SPOT]["precision"]["amount"], markets[SPOT]["precision"]["price"]]
    bought = await bitget.create_order(SPOT, "market", "buy", 0.02, 60000, {"clientOrderId": "bought"})
    limit = await bitget.create_order(SPOT, "limit", "buy", 0.03, 50000, {"clientOrderId": "limit1"})
    found = await bitget.fetch_order("", SPOT, {"clientOrderId": "limit1"})
    seen["found"] = [found["id"] == limit["id"], found["status"], found["amount"], found["price"]]
    seen["open"] = [(o["id"] == limit["id"], o["price"]) for o in await bitget.fetch_open_orders(SPOT)]
    await bitget.cancel_order(limit["id"], SPOT)
    seen["canceled"] = [o["id"] == limit["id"] for o in await bitget.fetch_canceled_orders(SPOT)]
    closed = await bitget.fetch_closed_orders(SPOT)
    seen["closed"] = [(o["id"] == bought["id"], o["filled"], o["average"]) for o in closed]
    seen["trades"] = [
        [t["order"] == bought["id"], t["amount"], t["price"], t["fee"]["currency"]]
        for t in await bitget.fetch_my_trades(SPOT)
    ]
    stop = await bitget.create_order(SPOT, "market", "sell", 0.01, None, {"triggerPrice": 55000})
    pending = await bitget.fetch_open_orders(SPOT, params={"trigger": True})
    seen["conditional"] = [(o["id"] == stop["id"], o["triggerPrice"]) for o in pending]
    await bitget.cancel_order(stop["id"], SPOT, {"trigger": True})
    seen["left"] = await bitget.fetch_open_orders(SPOT, params={"trigger": True})
    await bitget.create_order(SPOT, "market", "sell", 0.01)
    balance = await bitget.fetch_balance({"type": "spot"})
    seen["btc"] = balance["BTC"]["total"]
    seen["swaps"] = await bitget.fetch_open_orders(SYMBOL) + await bitget.fetch_closed_orders(SYMBOL)
    try:
        await bitget.create_order(SPOT, "limit", "sell", 1, 70000)
    except ccxt.BaseError as error:
        seen["error"] = type(error).__name__
    return seen


async def watch_spot(bitget):
    await bitget.load_markets()
    first = asyncio.ensure_future(bitget.watch_orders(SPOT))
    # the account channel answers with a snapshot: once it is here, the subscription before it is in place
    await asyncio.ensure_future(bitget.watch_balance({"type": "spot"}))
    bitget.newUpdates = True
    resting = await bitget.create_order(SPOT, "limit", "buy", 0.03, 59000)
    told = (await first)[-1]
    statuses = [told["status"]]
    await bitget.cancel_order(resting["id"], SPOT)
    statuses.append((await bitget.watch_orders(SPOT))[-1]["status"])
    return {"same": told["id"] == resting["id"], "amount": told["amount"], "statuses": statuses}


async def watch(bitget):
    await bitget.load_markets()
    first = asyncio.ensure_future(bitget.watch_orders(SYMBOL))
    # the account channel answers with a snapshot: once it is here, the subscription before it is in place
    await asyncio.ensure_future(bitget.watch_balance({"type": "swap"}))
    bitget.newUpdates = True
    resting = await bitget.create_order(SYMBOL, "limit", "buy", 0.03, 59000)
    statuses = [(await first)[-1]["status"]]
    await bitget.cancel_order(resting["id"], SYMBOL)
    statuses.append((await bitget.watch_orders(SYMBOL))[-1]["status"])
    order = await bitget.create_order(SYMBOL, "limit", "buy", 0.03, 60010, {"clientOrderId": "watched"})
    last = (await bitget.watch_orders(SYMBOL))[-1]
    while last["status"] != "closed":
        last = (await bitget.watch_orders(SYMBOL))[-1]
    return {
        "statuses": statuses,
        "same": last["id"] == order["id"],
        "client_order_id": last["clientOrderId"],
        "remaining": last["remaining"],
        "average": last["average"],
    }


ACTS = {"rest": rest, "watch": watch, "spot": spot, "watch_spot": watch_spot}


async def main():
    bitget = client(*sys.argv[1:3])
    try:
        seen = await ACTS[sys.argv[3]](bitget)
        sys.stdout.write(json.dumps(seen))
    finally:
        await bitget.close()


asyncio.run(main())
