"""What OKX is sent to change an order, to let one wait, and to set an account; and what its answers prove."""

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from spider_common.clock import NS_PER_MS, NS_PER_S
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, OrderRequest
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    Refused,
    Rejected,
    Unknown,
    UnreadableFrame,
    Unsent,
)
from tests.component.okx_bench import EXPIRES, KEY, ORDER, Bench, a_ref, an_order, open_bench, rows
from tests.http_peer import Close
from tests.oms_rig import ORIGIN

DONE = {"ordId": "42", "clOrdId": ORDER, "sCode": "0", "sMsg": ""}
GONE = {"ordId": "", "sCode": "51400", "sMsg": "Cancellation failed"}
WAITING = {
    "instId": "BTC-USDT-SWAP",
    "algoId": "77",
    "algoClOrdId": ORDER,
    "side": "sell",
    "posSide": "net",
    "reduceOnly": "true",
    "state": "live",
    "sz": "2.5",
    "slTriggerPx": "55000",
    "slOrdPx": "-1",
    "uTime": "1700000000123",
}


def change(**fields: Any) -> Amendment:
    given = {
        "ref": a_ref(),
        "side": Side.BUY,
        "position_side": PositionSide.NET,
        "reduce_only": False,
        "size": Decimal(3),
        "price": Decimal("60000.5"),
        "replacement": "f" * 32,
    }
    return Amendment(**given | fields)


def sent(bench: Bench) -> Any:
    """The body of the last request."""
    return json.loads(bench.peer.calls[-1].body)


async def test_an_amendment_names_what_is_to_be(autojump_clock: MockClock) -> None:
    """By our id or the venue's, with the new size and price and the expiry; the order stays the same."""
    async with open_bench() as bench:
        bench.answers["trade/amend-order"] = rows(DONE)
        assert await bench.client.amend(KEY, change(), expires=EXPIRES) == Accepted("42")
        assert sent(bench) == {
            "instId": "BTC-USDT-SWAP",
            "clOrdId": ORDER,
            "newSz": "3",
            "newPx": "60000.5",
        }
        assert int(bench.peer.calls[-1].headers["exptime"]) * NS_PER_MS == EXPIRES
        by_venue = change(ref=replace(a_ref(), venue_order_id="42"), price=None)
        await bench.client.amend(KEY, by_venue, expires=EXPIRES)
        assert sent(bench) == {"instId": "BTC-USDT-SWAP", "ordId": "42", "newSz": "3"}


@pytest.mark.parametrize("fields", [{"size": Decimal("0.001")}, {"price": Decimal("60000.05")}])
async def test_an_amendment_between_steps_is_not_sent(
    fields: dict[str, Any], autojump_clock: MockClock
) -> None:
    """Refused by us."""
    async with open_bench() as bench:
        outcome = await bench.client.amend(KEY, change(**fields), expires=EXPIRES)
        assert outcome == Refused(Reason.INSTRUMENT_CHANGED)
        assert bench.asked() == []


async def test_what_has_expired_is_not_sent(autojump_clock: MockClock) -> None:
    """Whatever it is: there is surely no effect."""
    async with open_bench() as bench:
        now = bench.clock.now()
        outcomes = [
            await bench.client.place(KEY, an_order(), expires=now),
            await bench.client.cancel(KEY, a_ref(), expires=now),
            await bench.client.amend(KEY, change(), expires=now),
        ]
        assert [type(each) for each in outcomes] == [Unsent] * 3
        assert bench.asked() == []


async def test_the_expiry_is_by_the_venues_clock(autojump_clock: MockClock) -> None:
    """Once its time is known, requests are signed and expire by it."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(DONE)
        ahead = 7 * NS_PER_S
        bench.answers["public/time"] = rows({"ts": str((ORIGIN + ahead) // NS_PER_MS)})
        assert await bench.client.server_time() == ORIGIN + ahead
        await bench.place()
        headers = bench.peer.calls[-1].headers
        assert int(headers["exptime"]) * NS_PER_MS == EXPIRES + ahead
        assert headers["ok-access-timestamp"].startswith("2023-11-14T22:13:27")


# Conditional orders


def waiting(kind: TriggerKind, **fields: Any) -> OrderRequest:
    trigger = Trigger(kind=kind, price=Decimal(55_000))
    return replace(an_order(), trigger=trigger, side=Side.SELL, reduce_only=True, **fields)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (TriggerKind.STOP_LOSS, {"ordType": "conditional", "slTriggerPx": "55000", "slOrdPx": "-1"}),
        (TriggerKind.TAKE_PROFIT, {"ordType": "conditional", "tpTriggerPx": "55000", "tpOrdPx": "-1"}),
        (TriggerKind.ENTRY, {"ordType": "trigger", "triggerPx": "55000", "orderPx": "-1"}),
    ],
)
async def test_a_conditional_order_as_it_goes_out(
    kind: TriggerKind, named: dict[str, str], autojump_clock: MockClock
) -> None:
    """At the market unless it has a price, by the last price, under our id and nobody's mark."""
    async with open_bench() as bench:
        bench.answers["trade/order-algo"] = rows({"algoId": "77", "sCode": "0", "sMsg": ""})
        assert await bench.place(waiting(kind)) == Accepted("77")
        body = sent(bench)
        assert named.items() <= body.items()
        assert (body["algoClOrdId"], body["sz"], body["side"]) == (ORDER, "2.5", "sell")
        assert "tag" not in body
        assert [value for name, value in body.items() if name.endswith("TriggerPxType")] in (["last"], [])
        await bench.place(waiting(kind, order_type=OrderType.LIMIT, price=Decimal(54_900)))
        assert "54900" in sent(bench).values()
        assert "-1" not in sent(bench).values()


async def test_a_cancel_finds_the_conditional_order(autojump_clock: MockClock) -> None:
    """Where no ordinary order is open under the name; the endpoint wants a list, and the venue's id."""
    async with open_bench() as bench:
        bench.answers["trade/cancel-order"] = rows(GONE, code="1")
        bench.answers["trade/order-algo"] = rows(WAITING)
        bench.answers["trade/cancel-algos"] = rows({"algoId": "77", "sCode": "0", "sMsg": ""})
        assert await bench.client.cancel(KEY, a_ref(), expires=EXPIRES) == Accepted("77")
        assert sent(bench) == [{"instId": "BTC-USDT-SWAP", "algoId": "77"}]
        assert bench.asked() == ["trade/cancel-order", "trade/order-algo", "trade/cancel-algos"]


@pytest.mark.parametrize("state", ["effective", "canceled", "order_failed", "partially_failed"])
async def test_a_conditional_order_that_is_over_is_not_cancelled(
    state: str, autojump_clock: MockClock
) -> None:
    """The first refusal stands; what it set off is an order of its own."""
    async with open_bench() as bench:
        bench.answers["trade/cancel-order"] = rows(GONE, code="1")
        bench.answers["trade/order-algo"] = rows(WAITING | {"state": state})
        outcome = await bench.client.cancel(KEY, a_ref(), expires=EXPIRES)
        assert outcome == Rejected("51400", "Cancellation failed")
        assert bench.asked() == ["trade/cancel-order", "trade/order-algo"]


@pytest.mark.parametrize("trouble", [Close(), rows(code="50004", msg="late"), rows(WAITING | {"side": "?"})])
async def test_a_cancel_that_cannot_look_is_unknown(
    trouble: bytes | Close, autojump_clock: MockClock
) -> None:
    """Whether a conditional order waits under the name nobody has said."""
    async with open_bench() as bench:
        bench.answers["trade/cancel-order"] = rows(GONE, code="1")
        bench.answers["trade/order-algo"] = trouble
        assert isinstance(await bench.client.cancel(KEY, a_ref(), expires=EXPIRES), Unknown)


async def test_find_looks_among_conditional_orders_last(autojump_clock: MockClock) -> None:
    """An order that waits is live, has no fill and, at the market, no price."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(code="51603", msg="Order does not exist")
        bench.answers["trade/orders-history"] = rows()
        bench.answers["trade/order-algo"] = rows(WAITING)
        found = await bench.client.find(KEY, a_ref())
        assert isinstance(found, Found)
        fact = found.fact
        assert (fact.venue_order_id, fact.status, fact.reduce_only) == ("77", OrderStatus.LIVE, True)
        assert (fact.quantity, fact.cum_filled, fact.price) == (Decimal("0.025"), 0, None)
        bench.answers["trade/order-algo"] = rows(WAITING | {"slOrdPx": "54900"})
        found = await bench.client.find(KEY, a_ref())
        assert isinstance(found, Found)
        assert (found.fact.price, found.fact.order_type) == (54_900, OrderType.LIMIT)


# Settings


@pytest.mark.parametrize(
    ("hedge_mode", "mode", "sides"),
    [
        (False, MarginMode.CROSS, [None]),
        (True, MarginMode.CROSS, [None]),
        (False, MarginMode.ISOLATED, [None]),
        (True, MarginMode.ISOLATED, ["long", "short"]),
    ],
)
async def test_leverage_is_set_for_each_side_where_each_has_its_own(
    hedge_mode: bool, mode: MarginMode, sides: list[str | None], autojump_clock: MockClock
) -> None:
    """One request, but for isolated margin in long/short mode."""
    account: Account = replace(an_order().account, hedge_mode=hedge_mode)
    async with open_bench() as bench:
        bench.answers["account/set-leverage"] = rows({"lever": "5"})
        outcome = await bench.client.set_leverage(KEY, account, "BTC-USDT-SWAP", 5, mode)
        assert outcome == Accepted(None)
        bodies = [json.loads(call.body) for call in bench.peer.calls[2:]]
        assert [body.get("posSide") for body in bodies] == sides
        assert {(body["lever"], body["mgnMode"]) for body in bodies} == {("5", mode.value)}


@pytest.mark.parametrize(("hedge", "mode"), [(True, "long_short_mode"), (False, "net_mode")])
async def test_the_position_mode_is_set(hedge: bool, mode: str, autojump_clock: MockClock) -> None:
    """With positions or orders open the venue refuses it."""
    async with open_bench() as bench:
        bench.answers["account/set-position-mode"] = rows({"posMode": mode})
        account = an_order().account
        assert await bench.client.set_hedge_mode(KEY, account, hedge=hedge) == Accepted(None)
        assert sent(bench) == {"posMode": mode}
        bench.answers["account/set-position-mode"] = rows(code="59000", msg="Setting failed")
        outcome = await bench.client.set_hedge_mode(KEY, account, hedge=hedge)
        assert outcome == Rejected("59000", "Setting failed")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"perm": "read_only,trade", "ip": ""}, (True, True, False, ())),
        (
            {"perm": "read_only", "ip": "203.0.113.7, 203.0.113.8"},
            (True, False, False, ("203.0.113.7", "203.0.113.8")),
        ),
        ({"perm": "read_only,withdraw,trade", "ip": "203.0.113.7"}, (True, True, True, ("203.0.113.7",))),
    ],
)
async def test_what_a_key_may_is_told(
    fields: dict[str, str], told: tuple[Any, ...], autojump_clock: MockClock
) -> None:
    """From account/config."""
    async with open_bench() as bench:
        bench.answers["account/config"] = rows(fields)
        found = await bench.client.permissions(KEY)
        assert (found.read, found.trade, found.withdraw, found.addresses) == told


async def test_an_account_without_a_configuration_is_unreadable(autojump_clock: MockClock) -> None:
    """An empty answer grants nothing, and does not pass for a key that may do nothing."""
    async with open_bench() as bench:
        bench.answers["account/config"] = rows()
        with pytest.raises(UnreadableFrame, match="perm"):
            await bench.client.permissions(KEY)
        bench.answers["public/time"] = rows()
        with pytest.raises(UnreadableFrame, match="ts"):
            await bench.client.server_time()
