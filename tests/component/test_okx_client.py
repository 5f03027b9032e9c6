"""Laws of OKX's REST client over a scripted peer: what an answer proves, and what none does."""

import base64
import gzip
import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from trio.testing import MockClock

from spider_common.clock import NS_PER_MS
from spider_common.domain.orders import PositionSide
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import OrderRequest
from spider_common.secret import Credentials, Secret
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    NotFound,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    Unsent,
    VenueError,
)
from spider_common.venues.rest import ANSWER_WITHIN_S
from tests.component.okx_bench import (
    ACCEPTED,
    EXPIRES,
    KEY,
    ORDER,
    Answers,
    Bench,
    a_ref,
    an_order,
    open_bench,
    rows,
)
from tests.http_peer import Call, Close, ok
from tests.okx_samples import order_row
from tests.oms_rig import ORIGIN
from tests.strategies import intent


async def test_an_order_as_it_goes_out(autojump_clock: MockClock) -> None:
    """Path, body, expiry in ms rounded down, and a signature that the documentation's formula confirms."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(ACCEPTED)
        outcome = await bench.client.place(KEY, an_order(), expires=EXPIRES + NS_PER_MS - 1)
        assert outcome == Accepted("312269865356374016")
        call = bench.peer.calls[-1]
    assert (call.method, call.target) == ("POST", "/api/v5/trade/order")
    assert json.loads(call.body) == {
        "instId": "BTC-USDT-SWAP",
        "tdMode": "cross",
        "side": "buy",
        "ordType": "market",
        "sz": "2.5",
        "clOrdId": ORDER,
    }
    assert int(call.headers["exptime"]) * NS_PER_MS == EXPIRES
    stamp = call.headers["ok-access-timestamp"]
    assert datetime.fromisoformat(stamp) == datetime.fromtimestamp(ORIGIN / 1e9, UTC)
    message = f"{stamp}POST/api/v5/trade/order".encode() + call.body
    mac = hmac.new(b"secret-2", message, hashlib.sha256).digest()
    assert call.headers["ok-access-sign"] == base64.b64encode(mac).decode()
    assert (call.headers["ok-access-key"], call.headers["ok-access-passphrase"]) == ("key-1", "phrase-3")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"reduce_only": True}, {"reduceOnly": True}),
        ({"position_side": PositionSide.SHORT, "reduce_only": True}, {"posSide": "short"}),
        ({"position_side": PositionSide.LONG}, {"posSide": "long"}),
    ],
)
async def test_which_position_an_order_works_on(
    fields: dict[str, Any], named: dict[str, Any], autojump_clock: MockClock
) -> None:
    """In hedge mode the side names it and reduceOnly does not apply; in net mode reduceOnly does."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(ACCEPTED)
        await bench.place(an_order(**fields))
        body = json.loads(bench.peer.calls[-1].body)
    assert {name: body[name] for name in ("reduceOnly", "posSide") if name in body} == named


@pytest.mark.parametrize(
    "answer",
    [
        Close(),
        Close(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        Close(b"SMTP ready\r\n"),
        ok(b"<html>Bad Gateway</html>", status="502 Bad Gateway"),
        ok(b"", status="504 Gateway Timeout"),
        ok(b"null"),
        ok(b"[]"),
        ok(b"{}"),
        ok(b'{"code":0,"data":[]}'),
        ok(b'{"code":"0","data":{}}'),
        ok(b'{"code":"0","data":[{"sCode":"0"}]}'),
        ok(b"[" * 100_000),
        ok(b"\xff\xfe"),
        rows(code="50004", msg="API endpoint timeout"),
        rows(code="50026", msg="System error"),
        rows({"sCode": "51149", "sMsg": "Order timed out", "ordId": ""}, code="1"),
        rows({"sCode": "51016", "sMsg": "clOrdId is used", "ordId": ""}, code="1"),
        rows({"sCode": "77777", "sMsg": "a new code", "ordId": ""}, code="1"),
    ],
)
async def test_an_answer_that_proves_nothing_is_unknown(
    answer: bytes | Close, autojump_clock: MockClock
) -> None:
    """Resets, gateways, garbage, codes that are unknown or say so: the order may be there."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = answer
        outcome = await bench.place()
        assert isinstance(outcome, Unknown)
        assert outcome.why
        assert bench.asked() == ["trade/order"]  # one request, never two


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # httpx leaves its readers open
async def test_an_answer_that_does_not_decompress_is_unknown(autojump_clock: MockClock) -> None:
    """It came from somewhere, and says nothing."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = ok(b"garbage", "Content-Encoding: gzip")
        assert isinstance(await bench.place(), Unknown)


async def test_no_answer_in_time_is_unknown(autojump_clock: MockClock) -> None:
    """A request ends at its deadline, with nothing proved."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(ACCEPTED)
        bench.delay_s = 3_600
        begun = trio.current_time()
        assert isinstance(await bench.place(), Unknown)
        assert trio.current_time() - begun == pytest.approx(ANSWER_WITHIN_S)


async def test_a_refused_connection_is_unsent(autojump_clock: MockClock) -> None:
    """Nobody listens, so nothing left us."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(ACCEPTED)
        bench.network.forget(("127.0.0.1", bench.peer.port))
        await bench.peer.hang_up()
        assert isinstance(await bench.place(), Unsent)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({"sCode": "51008", "sMsg": "No margin"}, Rejected("51008", "No margin")),
        ({"sCode": "51121", "sMsg": ""}, Rejected("51121", "not a multiple of the lot")),
        ({"sCode": "50036", "sMsg": "expTime"}, Unsent("50036 expTime")),
    ],
)
async def test_a_code_of_the_order_decides(
    row: dict[str, str], outcome: Outcome, autojump_clock: MockClock
) -> None:
    """The row's sCode says more than the answer's code, which is 1 for any failure."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows({"ordId": "", **row}, code="1", msg="All operations failed")
        assert await bench.place() == outcome


async def test_a_code_without_a_row_decides_too(autojump_clock: MockClock) -> None:
    """Refused before it was looked at: HTTP 401 with a code and no data."""
    async with open_bench() as bench:
        body = b'{"code":"50113","msg":"Invalid Sign"}'
        bench.answers["trade/order"] = ok(body, status="401 Unauthorized")
        assert await bench.place() == Rejected("50113", "Invalid Sign")


async def test_a_compressed_answer_is_read(autojump_clock: MockClock) -> None:
    """As any other."""
    async with open_bench() as bench:
        body = json.dumps({"code": "0", "msg": "", "data": [ACCEPTED]}).encode()
        bench.answers["trade/order"] = ok(gzip.compress(body), "Content-Encoding: gzip")
        assert await bench.place() == Accepted("312269865356374016")


async def test_a_rate_limit_closes_the_bucket(autojump_clock: MockClock) -> None:
    """50011: not looked at; no order of this account and instrument leaves before the time it gives."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(code="50011", msg="Too Many Requests")
        outcome = await bench.place()
        assert isinstance(outcome, RateLimited)
        assert outcome.until > bench.clock.now()
        await bench.client.ready_to_place(an_order(symbol="ETH-USDT-SWAP"))
        assert bench.clock.now() < outcome.until
        await bench.client.ready_to_place(an_order())
        assert bench.clock.now() >= outcome.until


@pytest.mark.parametrize(
    ("order", "credentials", "reason"),
    [
        (an_order(symbol="GONE-USDT-SWAP"), KEY, Reason.INSTRUMENT_CHANGED),
        (intent(client_order_id=ORDER, size=Decimal("0.001")).request, KEY, Reason.INSTRUMENT_CHANGED),
        (an_order(), Credentials(Secret("k"), Secret("s")), Reason.NO_CREDENTIALS),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    order: OrderRequest, credentials: Credentials, reason: Reason, autojump_clock: MockClock
) -> None:
    """A delisted instrument, a size off the lot, a key without a passphrase: a reason, not an exception."""
    async with open_bench() as bench:
        assert await bench.client.place(credentials, order, expires=EXPIRES) == Refused(reason)
        assert bench.asked() == []


async def test_find_asks_for_the_order_first(autojump_clock: MockClock) -> None:
    """By instrument and client order id; an order that is there ends the search."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(order_row(clOrdId=ORDER, ordId="42"))
        found = await bench.client.find(KEY, a_ref())
        assert isinstance(found, Found)
        assert (found.fact.venue_order_id, found.fact.client_order_id) == ("42", ORDER)
        query = parse_qs(urlsplit(bench.peer.calls[-1].target).query)
        assert query == {"instId": ["BTC-USDT-SWAP"], "clOrdId": [ORDER]}
        assert bench.asked() == ["trade/order"]


@pytest.mark.parametrize("first", [rows(code="51603", msg="Order does not exist"), rows()])
async def test_find_looks_into_history_next(first: bytes, autojump_clock: MockClock) -> None:
    """Of the instrument's latest orders, the one with our id; others prove nothing."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = first
        other = order_row(clOrdId="f" * 32, ordId="1")
        bench.answers["trade/orders-history"] = rows(other, order_row(clOrdId=ORDER, ordId="42"))
        found = await bench.client.find(KEY, a_ref())
        assert isinstance(found, Found)
        assert found.fact.venue_order_id == "42"
        assert bench.asked() == ["trade/order", "trade/orders-history"]
        bench.answers["trade/orders-history"] = rows(other)
        assert await bench.client.find(KEY, a_ref()) == NotFound()


TROUBLES = [
    Close(),
    ok(b"", status="502 Bad Gateway"),
    ok(b"nonsense"),
    rows(code="50011", msg="Too Many Requests"),
    rows(code="50004", msg="timeout"),
    rows(order_row(clOrdId=ORDER, state="vanished")),
    ok(b'{"code":"0","data":null}'),
]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("at", ["trade/order", "trade/orders-history", "trade/order-algo"])
async def test_find_never_takes_trouble_for_absence(
    at: str, trouble: bytes | Close, autojump_clock: MockClock
) -> None:
    """NotFound only when both places have said so."""
    async with open_bench() as bench:
        bench.answers["trade/order"] = rows(code="51603", msg="Order does not exist")
        bench.answers["trade/orders-history"] = rows()
        assert await bench.client.find(KEY, a_ref()) == NotFound()
        bench.answers[at] = trouble
        assert isinstance(await bench.client.find(KEY, a_ref()), Unknown)


def listing(*found: dict[str, Any], key: str = "ordId") -> Answers:
    """A listing as OKX pages it: newest first, continued after an id."""

    def answer(call: Call) -> bytes:
        query = parse_qs(urlsplit(call.target).query)
        after = int(query["after"][0]) if "after" in query else 10**18
        return rows(*[row for row in found if int(row[key]) < after][:100])

    return answer


def sweepable(bench: Bench) -> None:
    bench.answers["trade/orders-pending"] = listing()
    bench.answers["trade/orders-history"] = listing()
    bench.answers["trade/fills"] = listing(key="billId")
    for path in ("trade/orders-algo-pending", "trade/orders-algo-history"):
        bench.answers[path] = listing(key="algoId")
    bench.answers["account/balance"] = rows({"totalEq": "91884.85", "uTime": "1700000000123"})
    bench.answers["account/positions"] = rows(
        {"instId": "BTC-USDT-SWAP", "posSide": "net", "pos": "-2", "avgPx": "60000", "uTime": "1700000000123"}
    )


async def test_a_sweep_tells_everything_once(autojump_clock: MockClock) -> None:
    """Pages to their end; an order that ended between two questions is told as ended; oldest first."""
    async with open_bench() as bench:
        sweepable(bench)
        history = [
            order_row(ordId=str(number), state="filled", uTime=str(1_700_000_000_000 + number))
            for number in range(250, 0, -1)
        ]
        bench.answers["trade/orders-history"] = listing(*history)
        bench.answers["trade/orders-pending"] = listing(
            order_row(ordId="251", state="live"), order_row(ordId="250", state="live")
        )
        told = await bench.client.sweep(KEY, an_order().account.account, since=ORIGIN)
        times = [fact.ts_venue for fact in told.facts]
        assert times == sorted(times)
        by_id = {fact.venue_order_id: fact for fact in told.facts}
        assert len(by_id) == len(told.facts) == 251
        assert (by_id["250"].status, by_id["251"].status) == ("filled", "live")
        assert [equity.equity for equity in told.equities] == [Decimal("91884.85")]
        assert [each.quantity for each in told.positions] == [Decimal("-0.02")]


async def test_a_sweep_finds_an_old_order_by_its_new_fill(autojump_clock: MockClock) -> None:
    """History goes by creation; an order made before `since` and filled after it is asked for by its id."""
    async with open_bench() as bench:
        sweepable(bench)
        fill = order_row(ordId="42", tradeId="7", fillSz="1", fillPx="60000", fee="-1", feeCcy="USDT")
        fills = listing(fill | {"billId": "9", "ts": "1700000000100"}, key="billId")
        bench.answers["trade/fills"] = lambda call: fills(call) if "SWAP" in call.target else rows()
        bench.answers["trade/order"] = rows(order_row(ordId="42", state="filled", accFillSz="3"))
        told = await bench.client.sweep(KEY, an_order().account.account, since=ORIGIN)
        assert [(fact.venue_order_id, fact.status) for fact in told.facts] == [("42", "filled")]
        assert [each.trade_id for each in told.executions] == ["7"]


@pytest.mark.parametrize("trouble", [Close(), ok(b"{}"), rows(code="50013"), ok(b"x", status="500 Oops")])
@pytest.mark.parametrize(
    "at",
    [
        "trade/orders-pending",
        "trade/orders-history",
        "trade/fills",
        "trade/orders-algo-pending",
        "trade/orders-algo-history",
        "account/balance",
        "account/positions",
    ],
)
async def test_a_failed_question_fails_the_sweep(
    at: str, trouble: bytes | Close, autojump_clock: MockClock
) -> None:
    """ "Don't know" is never told as "nothing there"."""
    async with open_bench() as bench:
        sweepable(bench)
        bench.answers[at] = trouble
        with pytest.raises(VenueError, match=at):
            await bench.client.sweep(KEY, an_order().account.account, since=ORIGIN)


async def test_a_key_without_a_passphrase_cannot_ask(autojump_clock: MockClock) -> None:
    """A query is an error that names the fix; a look-up stays unknown."""
    async with open_bench() as bench:
        sweepable(bench)
        incomplete = Credentials(Secret("k"), Secret("s"))
        assert isinstance(await bench.client.find(incomplete, a_ref()), Unknown)
        with pytest.raises(VenueError, match="passphrase"):
            await bench.client.sweep(incomplete, an_order().account.account, since=ORIGIN)
