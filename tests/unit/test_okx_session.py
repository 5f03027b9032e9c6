"""Laws of OKX's private conversation: login, subscriptions, heartbeat, notices, and any frame at all."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import AccountId
from spider_common.secret import Credentials, Secret
from spider_common.venues.okx.session import (
    CHANNELS,
    LOGIN_WITHIN,
    PING_AFTER,
    PONG_WITHIN,
    OkxSession,
)
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import MAX_FRAME
from spider_common.venues.venue import PRIVATE, Failed, Ready, Rotate, Send, SessionEvent, Told, Unreadable
from tests.okx_samples import INSTRUMENTS, ORDER_PUSH, order_row, sample
from tests.strategies import TS

S = 1_000_000_000
CREDENTIALS = Credentials(Secret("key-1"), Secret("secret-2"), Secret("phrase-3"))
LOGGED_IN = '{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}'
ACKS = [
    json.dumps({"id": "1512", "event": "subscribe", "arg": arg, "connId": "a4d3ae55"})
    for arg in CHANNELS[PRIVATE]
]


def session(credentials: Credentials = CREDENTIALS) -> OkxSession:
    return OkxSession(credentials, AccountId("leader"), INSTRUMENTS)


def ready(now: int = TS) -> OkxSession:
    """A session that is logged in and subscribed."""
    made = session()
    made.opened(now)
    for frame in (LOGGED_IN, *ACKS):
        made.received(frame, now)
    return made


def sent(events: Sequence[SessionEvent]) -> list[Any]:
    """The frames to be sent, decoded."""
    return [json.loads(event.text) for event in events if isinstance(event, Send)]


def test_login_is_signed_as_documented() -> None:
    """sign = base64(HMAC-SHA256(secret, ts + "GET" + "/users/self/verify")), ts in whole seconds."""
    (frame,) = sent(session().opened(TS + 999_999_999))
    (argument,) = frame["args"]
    seconds = str(TS // S)
    mac = hmac.new(b"secret-2", (seconds + "GET" + "/users/self/verify").encode(), hashlib.sha256)
    assert frame["op"] == "login"
    assert argument == {
        "apiKey": "key-1",
        "passphrase": "phrase-3",
        "timestamp": seconds,
        "sign": base64.b64encode(mac.digest()).decode(),
    }


def test_nothing_but_login_goes_out_before_its_answer() -> None:
    """Whatever comes, and however long it is quiet, nothing is asked before login is acknowledged."""
    made = session()
    assert len(sent(made.opened(TS))) == 1
    for frame in ("pong", ORDER_PUSH, '{"event":"notice","code":"64008"}', ACKS[0]):
        assert sent(made.received(frame, TS + S)) == []
    assert sent(made.tick(TS + LOGIN_WITHIN)) == []


def test_login_is_followed_by_every_subscription() -> None:
    """The acknowledged login brings one request for all channels."""
    made = session()
    made.opened(TS)
    (frame,) = sent(made.received(LOGGED_IN, TS))
    assert (frame["op"], tuple(frame["args"])) == ("subscribe", CHANNELS[PRIVATE])


def test_ready_only_after_every_acknowledgement() -> None:
    """In any order; one that is repeated does not stand for another."""
    for acks in (ACKS, ACKS[::-1]):
        made = session()
        made.opened(TS)
        made.received(LOGGED_IN, TS)
        for ack in [acks[0], *acks[:-1]]:
            assert made.received(ack, TS) == []
        assert made.received(acks[-1], TS) == [Ready()]


def test_a_login_that_is_not_answered_fails() -> None:
    """Login and subscriptions together have one time limit, which pushes do not prolong."""
    made = session()
    made.opened(TS)
    made.received(LOGGED_IN, TS + S)
    made.received(ACKS[0], TS + LOGIN_WITHIN - 1)
    assert made.due() == TS + LOGIN_WITHIN
    assert made.tick(TS + LOGIN_WITHIN - 1) == []
    (event,) = made.tick(TS + LOGIN_WITHIN)
    assert isinstance(event, Failed)
    assert not event.fatal


def test_silence_brings_a_ping_and_more_silence_the_end() -> None:
    """A ping after the quiet time, before OKX's 30 s; without a pong the session has failed."""
    made = ready()
    assert PING_AFTER + PONG_WITHIN <= 30 * S
    assert made.due() == TS + PING_AFTER
    assert made.tick(TS + PING_AFTER - 1) == []
    assert made.tick(TS + PING_AFTER) == [Send("ping")]
    assert made.due() == TS + PING_AFTER + PONG_WITHIN
    (event,) = made.tick(TS + PING_AFTER + PONG_WITHIN)
    assert isinstance(event, Failed)
    assert not event.fatal


@pytest.mark.parametrize("frame", ["pong", ORDER_PUSH, "nonsense"])
def test_any_frame_is_a_sign_of_life(frame: str) -> None:
    """Whatever is heard after a ping, the peer lives: the quiet time starts again."""
    made = ready()
    made.tick(TS + PING_AFTER)
    heard = TS + PING_AFTER + S
    made.received(frame, heard)
    assert made.due() == heard + PING_AFTER


def test_a_pong_says_nothing_else() -> None:
    """The answer to a ping is no event."""
    assert ready().received("pong", TS) == []


def test_a_notice_asks_for_a_replacement() -> None:
    """64008 comes before an upgrade closes the socket."""
    (event,) = ready().received('{"event":"notice","code":"64008","msg":"soon","connId":"a4d3ae55"}', TS)
    assert event == Rotate("64008 soon")


def test_a_dead_channel_is_a_failed_session() -> None:
    """Over the connection limit the channel stays silent, after an ordinary acknowledgement."""
    frame = '{"event":"channel-conn-count-error","channel":"orders","connCount":"30","connId":"a4d3ae55"}'
    (event,) = ready().received(frame, TS)
    assert isinstance(event, Failed)
    assert not event.fatal


def test_the_connection_count_is_no_event() -> None:
    """It comes with each subscription."""
    frame = '{"event":"channel-conn-count","channel":"orders","connCount":"1","connId":"a4d3ae55"}'
    assert ready().received(frame, TS) == []


def test_a_key_without_a_passphrase_cannot_log_in() -> None:
    """Trying cannot help: the failure is fatal and says what is missing."""
    (event,) = session(Credentials(Secret("k"), Secret("s"))).opened(TS)
    assert isinstance(event, Failed)
    assert event.fatal
    assert "passphrase" in event.why


def test_the_documented_push_is_told() -> None:
    """The sample of the documentation: one fact and one execution."""
    (event,) = ready().received(ORDER_PUSH, TS)
    assert isinstance(event, Told)
    (fact,), (execution,) = event.facts, event.executions
    assert (fact.venue_order_id, fact.ts_seen) == ("452197707845865472", TS)
    assert execution.trade_id == "242589207"


def test_every_row_of_a_push_is_told() -> None:
    """In the order in which they stand."""
    rows = [order_row(ordId=str(number)) for number in (3, 1, 2)]
    frame = json.dumps({"arg": {"channel": "orders"}, "data": rows})
    (event,) = ready().received(frame, TS)
    assert isinstance(event, Told)
    assert [fact.venue_order_id for fact in event.facts] == ["3", "1", "2"]
    assert event.executions == ()


def test_an_account_push_tells_the_equity() -> None:
    """What sizes proportional copies."""
    rows = [{"totalEq": "91884.85", "uTime": "1700000000123", "details": []}]
    (event,) = ready().received(json.dumps({"arg": {"channel": "account"}, "data": rows}), TS)
    assert isinstance(event, Told)
    assert [equity.equity for equity in event.equities] == [Decimal("91884.85")]


@pytest.mark.parametrize(
    ("fields", "side", "quantity"),
    [
        ({"posSide": "net", "pos": "-3"}, "net", "-0.03"),
        ({"posSide": "long", "pos": "3"}, "long", "0.03"),
        ({"posSide": "short", "pos": "3"}, "short", "-0.03"),
        ({"posSide": "net", "pos": "0", "avgPx": ""}, "net", "0"),
    ],
)
def test_a_positions_push_tells_what_is_held(fields: dict[str, str], side: str, quantity: str) -> None:
    """Signed base quantity: by the sign of pos in net mode, by the side in long/short mode."""
    row = {"instId": "BTC-USDT-SWAP", "avgPx": "60000", "uTime": "1700000000123"} | fields
    (event,) = ready().received(json.dumps({"arg": {"channel": "positions"}, "data": [row]}), TS)
    assert isinstance(event, Told)
    (position,) = event.positions
    assert (position.position_side, position.quantity) == (side, Decimal(quantity))
    assert position.entry_price == (Decimal(60000) if row["avgPx"] else None)


def test_a_position_in_what_is_not_copied_is_left_out() -> None:
    """An inverse swap counts in quote currency; that the account holds one breaks nothing."""
    row = {"instId": "BTC-USD-SWAP", "posSide": "net", "pos": "1", "uTime": "1700000000123"}
    (event,) = ready().received(json.dumps({"arg": {"channel": "positions"}, "data": [row]}), TS)
    assert event == Told()


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ("", "frame: not JSON"),
        ("nonsense", "frame: not JSON"),
        (b"\xff\xfe", "frame: not JSON"),
        ("\ud800", "frame: not JSON"),
        ("[" * 100_000, "frame: not JSON"),
        ('"' + "x" * MAX_FRAME + '"', "frame: "),
        ("[]", "frame: not a JSON object"),
        ("null", "frame: not a JSON object"),
        ("{}", "frame.arg: "),
        ('{"arg":[]}', "frame.arg: "),
        ('{"arg":{}}', "arg.channel: missing"),
        ('{"arg":{"channel":"orders"}}', "frame.data: not an array"),
        ('{"arg":{"channel":"orders"},"data":{}}', "frame.data: not an array"),
        ('{"arg":{"channel":"orders"},"data":[1]}', "frame.data: not an array of objects"),
        ('{"arg":{"channel":"orders"},"data":[{}]}', "data[0]."),
        ('{"arg":{"channel":"fills"},"data":[]}', "arg.channel: 'fills'"),
        ('{"event":"subscribe"}', "frame.arg: "),
        ('{"event":"party"}', "frame.event: 'party'"),
        ('{"event":7}', "frame.event: 7"),
        ('{"event":"login","code":[]}', "frame.code: []"),
    ],
)
def test_a_malformed_frame_is_kept_and_its_place_named(frame: str | bytes, place: str) -> None:
    """It is an event like any other: the frame whole, and an error that says where it is wrong."""
    (event,) = ready().received(frame, TS)
    assert isinstance(event, Unreadable)
    assert event.frame == (frame if isinstance(frame, str) else frame.hex())
    assert isinstance(event.error, UnreadableFrame)
    assert str(event.error).startswith(place)


def test_the_wrong_row_of_several_is_named() -> None:
    """The place counts from the first row."""
    rows = [order_row(), order_row(side="hold")]
    (event,) = ready().received(json.dumps({"arg": {"channel": "orders"}, "data": rows}), TS)
    assert isinstance(event, Unreadable)
    assert str(event.error).startswith("data[1].side: 'hold'")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "-1", "NaN", "1e99", "9" * 400, "0x1", "#"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def mutated_frames(draw: st.DrawFn) -> str:
    """The documented sample with fields of its row, its argument or itself replaced or taken away."""
    frame = sample()
    for _ in range(draw(st.integers(1, 3))):
        target = draw(st.sampled_from([frame, frame.get("arg"), *(frame.get("data") or ())]))
        if not isinstance(target, dict) or not target:
            continue
        name = draw(st.sampled_from(sorted(target)))
        if draw(st.booleans()):
            target[name] = draw(json_values)
        else:
            del target[name]
        if not isinstance(frame.get("data"), list):
            break
    return json.dumps(frame)


@given(mutated_frames())
def test_a_mutated_frame_is_told_or_unreadable(frame: str) -> None:
    """Nothing that comes by socket raises: it is understood, or kept with its error."""
    for event in ready().received(frame, TS):
        assert isinstance(event, Told | Unreadable)


@given(st.data())
def test_a_torn_frame_is_unreadable(data: st.DataObject) -> None:
    """Cut anywhere, or with characters exchanged, the sample raises nothing else."""
    cut = data.draw(st.integers(0, len(ORDER_PUSH) - 1))
    patch = data.draw(st.text(max_size=3))
    for event in ready().received(ORDER_PUSH[:cut] + patch + ORDER_PUSH[cut + 1 :], TS):
        assert isinstance(event, Told | Unreadable | Failed | Rotate)


@given(st.binary(max_size=64))
def test_any_bytes_are_unreadable(frame: bytes) -> None:
    """OKX sends text; a binary frame is kept as hexadecimal."""
    for event in ready().received(frame, TS):
        assert isinstance(event, Unreadable)
        assert event.frame == frame.hex()
