"""An unmodified ccxt bingx client in its own process: does a fixed list of things and prints what it saw.

Arguments: the REST port, the socket port, and what to do: `rest`, `watch` or `spot`. Prints one JSON object.
"""

import asyncio
import json
import sys

import ccxt.pro

SYMBOL = "BTC/USDT:USDT"
PAIR = "BTC/USDT"


def client(rest_port, socket_port):
    bingx = ccxt.pro.bingx({"apiKey": "alice", "secret": "alice-secret", "options": {"defaultType": "swap"}})
    for section in bingx.urls["api"]:
        if section != "ws":
            bingx.urls["api"][section] = f"http://127.0.0.1:{rest_port}/openApi"
    bingx.urls["api"]["ws"]["linear"] = f"ws://127.0.0.1:{socket_port}/swap-market"
    bingx.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{socket_port}/market"
    return bingx


async def rest(bingx):
    seen = {}
    markets = await bingx.load_markets()
    seen["markets"] = sorted(markets)
    seen["minimum"] = markets[SYMBOL]["limits"]["amount"]["min"]
    seen["time"] = await bingx.fetch_time() > 0
    await bingx.set_leverage(20, SYMBOL, {"side": "BOTH"})
    market = await bingx.create_order(SYMBOL, "market", "buy", 0.002, None, {"clientOrderId": "Market1"})
    seen["market"] = (await bingx.fetch_order(market["id"], SYMBOL))["status"]
    limit = await bingx.create_order(SYMBOL, "limit", "buy", 0.003, 50000, {"clientOrderId": "limit1"})
    post_only = await bingx.create_order(SYMBOL, "limit", "buy", 0.001, 51000, {"postOnly": True})
    opened = await bingx.fetch_open_orders(SYMBOL)
    seen["open"] = sorted((order["amount"], order["clientOrderId"]) for order in opened)
    edited = await bingx.edit_order(limit["id"], SYMBOL, "limit", "buy", 0.004, 50500)
    amended = await bingx.fetch_order(edited["id"], SYMBOL)
    seen["amended"] = [amended["amount"], amended["price"], amended["status"], edited["id"] != limit["id"]]
    canceled = await bingx.cancel_order(post_only["id"], SYMBOL)
    seen["canceled"] = [canceled["status"], (await bingx.fetch_order(post_only["id"], SYMBOL))["status"]]
    closed = await bingx.fetch_closed_orders(SYMBOL)
    seen["closed"] = [(order["id"] == market["id"], order["filled"]) for order in closed]
    (position,) = await bingx.fetch_positions([SYMBOL])
    seen["position"] = [
        position["side"],
        position["contracts"],
        position["entryPrice"],
        position["leverage"],
    ]
    seen["usdt"] = (await bingx.fetch_balance())["USDT"]["total"]
    seen["trades"] = [
        [trade["order"] == market["id"], trade["price"], trade["fee"]["cost"]]
        for trade in await bingx.fetch_my_trades(SYMBOL)
    ]
    seen["errors"] = []
    for act in (
        lambda: bingx.cancel_order("1", SYMBOL),
        lambda: bingx.fetch_order("1", SYMBOL),
        lambda: bingx.create_order(SYMBOL, "market", "buy", 5000),
        lambda: bingx.create_order(SYMBOL, "market", "buy", 0.001, None, {"clientOrderId": "MARKET1"}),
    ):
        await asyncio.sleep(0.5)  # the venue takes five orders a second
        try:
            await act()
        except ccxt.BaseError as error:
            seen["errors"].append(type(error).__name__)
    await bingx.create_order(SYMBOL, "market", "sell", 0.002, None, {"reduceOnly": True})
    await bingx.cancel_order(edited["id"], SYMBOL)
    await bingx.set_position_mode(True)
    seen["mode"] = (await bingx.fetch_position_mode())["hedged"]
    await bingx.create_order(SYMBOL, "market", "buy", 0.001, None, {"hedged": True})
    await bingx.create_order(SYMBOL, "market", "sell", 0.001, None, {"hedged": True, "reduceOnly": True})
    seen["flat"] = await bingx.fetch_positions([SYMBOL])
    return seen


async def watch(bingx):
    await bingx.load_markets()
    await bingx.authenticate()
    first = asyncio.ensure_future(bingx.watch_orders(SYMBOL))
    # the socket is open once its first frame has come: the settings of the account
    url = f"{bingx.urls['api']['ws']['linear']}?listenKey={bingx.options['listenKey']}"
    await bingx.client(url).connected
    bingx.newUpdates = True
    resting = await bingx.create_order(SYMBOL, "limit", "buy", 0.003, 59000)
    statuses = [(await first)[-1]["status"]]
    await bingx.cancel_order(resting["id"], SYMBOL)
    statuses.append((await bingx.watch_orders(SYMBOL))[-1]["status"])
    order = await bingx.create_order(SYMBOL, "limit", "buy", 0.003, 60010, {"clientOrderId": "Watched"})
    last = (await bingx.watch_orders(SYMBOL))[-1]
    while last["status"] != "closed":
        last = (await bingx.watch_orders(SYMBOL))[-1]
    await asyncio.sleep(6)  # a ping comes every 5 s: the pong must not break the stream
    later = await bingx.create_order(SYMBOL, "market", "sell", 0.001)
    then = (await bingx.watch_orders(SYMBOL))[-1]
    while then["status"] != "closed" or then["id"] == last["id"]:
        then = (await bingx.watch_orders(SYMBOL))[-1]
    return {
        "statuses": statuses,
        "same": last["id"] == order["id"] and then["id"] == later["id"],
        "client_order_id": last["clientOrderId"],
        "filled": last["filled"],
        "average": last["average"],
    }


async def spot(bingx):
    """Places, finds and cancels one spot order, and watches another arrive, fill and a third time."""
    await bingx.load_markets()
    placed = await bingx.create_order(PAIR, "limit", "buy", 0.002, 50000, {"newClientOrderId": "Spot1"})
    opened = await bingx.fetch_open_orders(PAIR)
    found = await bingx.fetch_order(placed["id"], PAIR)
    canceled = await bingx.cancel_order(placed["id"], PAIR)
    closed = await bingx.fetch_canceled_orders(PAIR)
    await bingx.authenticate()
    watching = asyncio.ensure_future(bingx.watch_orders(PAIR))
    # the subscription is acknowledged before the first ping comes
    await asyncio.sleep(1)
    bingx.newUpdates = True
    bought = await bingx.create_order(PAIR, "limit", "buy", 0.001, 60000)
    last = (await watching)[-1]
    while last["status"] != "closed":
        last = (await bingx.watch_orders(PAIR))[-1]
    return {
        "found": [found["id"] == placed["id"], found["status"], found["clientOrderId"], found["amount"]],
        "open": [order["id"] == placed["id"] for order in opened],
        "canceled": canceled["status"],
        "closed": [[order["id"] == placed["id"], order["status"]] for order in closed],
        "watched": [last["id"] == bought["id"], last["filled"], last["average"]],
        "trades": [[each["amount"], each["fee"]["currency"]] for each in await bingx.fetch_my_trades(PAIR)],
        "btc": (await bingx.fetch_balance({"type": "spot"}))["BTC"]["total"],
    }


async def main():
    bingx = client(*sys.argv[1:3])
    try:
        seen = await {"rest": rest, "watch": watch, "spot": spot}[sys.argv[3]](bingx)
        sys.stdout.write(json.dumps(seen))
    finally:
        await bingx.close()


asyncio.run(main())
