"""Laws of Bitget's private conversation: login, subscriptions, heartbeat, rotation, and any frame at all."""

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
from spider_common.venues.bitget.session import (
    CHANNELS,
    LOGIN_WITHIN,
    PING_EVERY,
    PONG_WITHIN,
    ROTATE_AFTER,
    BitgetSession,
)
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import MAX_FRAME
from spider_common.venues.venue import Failed, Ready, Rotate, Send, SessionEvent, Told, Unreadable
from tests import bitget_samples as samples
from tests.bitget_samples import INSTRUMENTS, ORDER_PUSH, PUSHES, SPOT_PUSHES, pushed, sample
from tests.strategies import TS

S = 1_000_000_000
CREDENTIALS = Credentials(Secret("key-1"), Secret("secret-2"), Secret("phrase-3"))
LOGGED_IN = '{"event":"login","code":0}'
ACKS = [json.dumps({"event": "subscribe", "arg": arg}) for arg in CHANNELS]


def session(credentials: Credentials = CREDENTIALS) -> BitgetSession:
    return BitgetSession(credentials, AccountId("leader"), INSTRUMENTS)


def ready(now: int = TS) -> BitgetSession:
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
    """sign = base64(HMAC-SHA256(secret, ts + "GET" + "/user/verify")), ts in whole seconds."""
    (frame,) = sent(session().opened(TS + 999_999_999))
    (argument,) = frame["args"]
    seconds = str(TS // S)
    mac = hmac.new(b"secret-2", (seconds + "GET" + "/user/verify").encode(), hashlib.sha256)
    assert frame["op"] == "login"
    assert argument == {
        "apiKey": "key-1",
        "passphrase": "phrase-3",
        "timestamp": seconds,
        "sign": base64.b64encode(mac.digest()).decode(),
    }


def test_a_key_without_a_passphrase_is_told_and_not_tried() -> None:
    """Trying again cannot help until somebody completes the secret."""
    (event,) = session(Credentials(Secret("k"), Secret("s"))).opened(TS)
    assert isinstance(event, Failed)
    assert event.fatal
    assert "passphrase" in event.why


@pytest.mark.parametrize("code", ["0", '"0"'])
def test_login_is_followed_by_every_subscription(code: str) -> None:
    """The acknowledged login, its code an integer or a string, brings one request for all channels."""
    made = session()
    made.opened(TS)
    (frame,) = sent(made.received(f'{{"event":"login","code":{code}}}', TS))
    assert (frame["op"], tuple(frame["args"])) == ("subscribe", CHANNELS)


def test_ready_only_after_every_acknowledgement() -> None:
    """In any order; one that is repeated does not stand for another, and readiness is told once."""
    for acks in (ACKS, ACKS[::-1]):
        made = session()
        made.opened(TS)
        made.received(LOGGED_IN, TS)
        assert [made.received(ack, TS) for ack in (acks[0], *acks[:-1])] == [[]] * len(acks)
        assert made.received(acks[-1], TS) == [Ready()]
        assert made.received(acks[-1], TS) == []


def test_a_login_without_an_answer_fails() -> None:
    """Until it is ready, the conversation has so much time and no more."""
    made = session()
    made.opened(TS)
    made.received(LOGGED_IN, TS)
    assert made.due() == TS + LOGIN_WITHIN
    (event,) = made.tick(made.due())
    assert event == Failed("no answer to login and subscriptions in time", fatal=False)


def test_a_ping_goes_out_every_30_seconds_however_much_is_said() -> None:
    """The venue counts the pings: pushes in between do not stand for one."""
    made, now = ready(), TS
    for beat in range(1, 5):
        assert made.due() == TS + beat * PING_EVERY
        made.received(ORDER_PUSH, now)
        now = made.due()
        assert made.tick(now) == [Send("ping")]
        assert made.received("pong", now) == []


def test_silence_after_a_ping_fails() -> None:
    """Whatever is heard in time shows that the venue is there, a pong or not."""
    made = ready()
    made.tick(TS + PING_EVERY)
    made.received(ORDER_PUSH, TS + PING_EVERY + 1)
    assert made.due() == TS + 2 * PING_EVERY
    made.tick(TS + 2 * PING_EVERY)
    assert made.due() == TS + 2 * PING_EVERY + PONG_WITHIN
    (event,) = made.tick(made.due())
    assert event == Failed("no pong in time", fatal=False)


def test_a_replacement_is_asked_for_once_before_the_24_hours_are_over() -> None:
    """With time to spare, while the old socket goes on."""
    made, now, rotations = ready(), TS, 0
    for _ in range(24 * 3600 // 30):
        now = made.due()
        events = made.tick(now)
        rotations += sum(isinstance(event, Rotate) for event in events)
        if any(isinstance(event, Rotate) for event in events):
            assert now == TS + ROTATE_AFTER
        made.received("pong", now)
    assert rotations == 1
    assert isinstance(made.received(ORDER_PUSH, now)[0], Told)


def test_the_documented_pushes_are_told() -> None:
    """Orders with their fills, conditional orders, fills, positions and equity."""
    told = [ready().received(text, TS)[0] for text in PUSHES]
    orders, plans, positions, accounts, fills = told
    assert isinstance(orders, Told)
    assert (len(orders.facts), len(orders.executions)) == (1, 1)
    assert isinstance(plans, Told)
    assert (len(plans.facts), len(plans.executions)) == (1, 0)
    assert isinstance(positions, Told)
    assert [position.quantity for position in positions.positions] == [Decimal("-0.1")]
    assert isinstance(accounts, Told)
    assert [equity.equity for equity in accounts.equities] == [Decimal("26.14309528")]
    assert accounts.equities[0].ts_venue == 1701932570822 * 1_000_000
    assert isinstance(fills, Told)
    assert len(fills.executions) == 1


def test_the_documented_spot_pushes_are_told() -> None:
    """Spot speaks on channels of the same names; its coins are told as what is held of their pairs."""
    told = [ready().received(text, TS)[0] for text in SPOT_PUSHES]
    assert all(isinstance(each, Told) for each in told)
    counts = [
        (len(each.facts), len(each.executions), len(each.positions))
        for each in told
        if isinstance(each, Told)
    ]
    assert counts == [(1, 1, 0), (1, 0, 0), (0, 0, 1), (0, 1, 0)]


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
        ("{}", "frame.arg: not an object"),
        ('{"arg":[]}', "frame.arg: not an object"),
        ('{"arg":{}}', "arg.instType: missing"),
        ('{"arg":{"instType":"MARGIN","channel":"orders"},"data":[]}', "arg.instType: 'MARGIN'"),
        ('{"arg":{"instType":"SPOT","channel":"positions"},"data":[]}', "arg.channel: 'positions'"),
        ('{"arg":{"instType":"USDT-FUTURES"},"data":[]}', "arg.channel: missing"),
        ('{"arg":{"instType":"USDT-FUTURES","channel":"candles"},"data":[]}', "arg.channel: 'candles'"),
        ('{"arg":{"instType":"USDT-FUTURES","channel":"orders"}}', "frame.data: not an array"),
        ('{"arg":{"instType":"USDT-FUTURES","channel":"orders"},"data":[1]}', "frame.data: not an array"),
        ('{"arg":{"instType":"USDT-FUTURES","channel":"orders"},"data":[{}]}', "data[0]."),
        ('{"arg":{"instType":"USDT-FUTURES","channel":"account"},"data":[]}', "frame.ts: missing"),
        ('{"event":"subscribe"}', "frame.arg: not an object"),
        ('{"event":"party"}', "frame.event: 'party'"),
        ('{"event":7}', "frame.event: 7"),
        ('{"event":"login","code":true}', "frame.code: True"),
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
    frame = sample() | {"data": [pushed(), pushed(status="odd")]}
    (event,) = ready().received(json.dumps(frame), TS)
    assert isinstance(event, Unreadable)
    assert str(event.error).startswith("data[1].status: 'odd'")


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
    """A documented push with fields of its rows, its argument or itself replaced or taken away."""
    frame = sample(draw(st.sampled_from([*PUSHES, *SPOT_PUSHES, LOGGED_IN, *ACKS])))
    for _ in range(draw(st.integers(1, 3))):
        rows = frame.get("data")
        parts = [frame, frame.get("arg"), *(rows if isinstance(rows, list) else ())]
        target = draw(st.sampled_from([part for part in parts if isinstance(part, dict)]))
        if not target:
            continue
        name = draw(st.sampled_from(sorted(target)))
        if draw(st.booleans()):
            target[name] = draw(json_values)
        else:
            del target[name]
    return json.dumps(frame)


@given(mutated_frames())
def test_a_mutated_frame_is_understood_or_unreadable(frame: str) -> None:
    """Nothing that comes by socket raises: it is understood, or kept with its error."""
    for made in (ready(), session()):
        made.opened(TS)
        for event in made.received(frame, TS):
            assert isinstance(event, Told | Unreadable | Failed | Send | Ready)


@given(st.sampled_from(PUSHES + SPOT_PUSHES), st.data())
def test_a_torn_frame_is_unreadable(push: str, data: st.DataObject) -> None:
    """Cut anywhere, or with characters exchanged, a documented push raises nothing else."""
    cut = data.draw(st.integers(0, len(push) - 1))
    patch = data.draw(st.text(max_size=3))
    for event in ready().received(push[:cut] + patch + push[cut + 1 :], TS):
        assert isinstance(event, Told | Unreadable | Failed)


@given(st.binary(max_size=64))
def test_any_bytes_are_unreadable(frame: bytes) -> None:
    """Bitget sends text; a binary frame is kept as hexadecimal."""
    for event in ready().received(frame, TS):
        assert isinstance(event, Unreadable)
        assert event.frame == frame.hex()


def test_no_secret_shows() -> None:
    """Whatever a session prints of itself or of its failures holds no part of its key."""
    made = session()
    made.opened(TS)
    shown = repr(made) + repr(made.received('{"event":"error","code":30011,"msg":"Invalid"}', TS))
    assert not any(secret in shown for secret in ("key-1", "secret-2", "phrase-3"))


def test_the_documented_account_row_is_of_the_swap_account() -> None:
    """The channel that is subscribed to is the one that the sample is of."""
    assert sample(samples.ACCOUNT_PUSH)["arg"] in CHANNELS
