"""BingX's private sockets, sans-I/O."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.venues.bingx.session import (
    EXTEND_EVERY,
    MAX_FRAME,
    READY_WITHIN,
    SILENT_AFTER,
    SPOT_TOPICS,
    BingxSession,
)
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.venue import Failed, KeepAlive, Ready, Send, Told, Unreadable
from tests.unit.bingx_frames import (
    ACCOUNT,
    ACCOUNT_UPDATE,
    CONFIGURATION,
    EXPIRED,
    FRAMES,
    INSTRUMENTS,
    SEEN,
    SPOT,
    TRADE_UPDATE,
    packed,
)

S = 10**9


def session(*, topics=(), heard=True):
    made = BingxSession(ACCOUNT, INSTRUMENTS, topics=topics)
    made.opened(SEEN)
    if heard:
        made.received(packed("Ping"), SEEN)
    return made


def test_the_swap_socket_is_ready_at_its_first_frame():
    """Nothing is sent at opening; a ping, or a push, proves that the stream runs."""
    fresh = BingxSession(ACCOUNT, INSTRUMENTS)
    assert fresh.opened(SEEN) == []
    assert fresh.received(packed("Ping"), SEEN) == [Ready(), Send("Pong")]
    assert fresh.received(packed("Ping"), SEEN) == [Send("Pong")]
    ready, told = session(heard=False).received(packed(TRADE_UPDATE), SEEN)
    assert (ready, type(told)) == (Ready(), Told)


def test_a_frame_that_cannot_be_read_makes_nothing_ready():
    """Nor does one that says that it is over."""
    fresh = session(heard=False)
    assert [type(event) for event in fresh.received(b"\x1f\x8bnot gzip", SEEN)] == [Unreadable]
    assert [type(event) for event in fresh.received(packed(EXPIRED), SEEN)] == [Failed]
    assert fresh.due() == SEEN + READY_WITHIN


def test_the_spot_socket_subscribes_and_is_ready_when_acknowledged():
    """Each topic is asked for, and each acknowledgement counts."""
    spot = BingxSession(ACCOUNT, INSTRUMENTS, topics=SPOT_TOPICS)
    (asked,) = spot.opened(SEEN)
    request = json.loads(asked.text)
    assert (request["reqType"], request["dataType"]) == ("sub", "spot.executionReport")
    ping = packed({"ping": "2177c68e", "time": "2022-06-07T16:27:36.323+0800"})
    assert [type(event) for event in spot.received(ping, SEEN)] == [Send]
    answer = {"id": request["id"], "code": 0, "msg": "", "dataType": "", "data": None}
    assert spot.received(packed(answer), SEEN) == [Ready()]
    (told,) = spot.received(packed(SPOT), SEEN)
    assert (told.facts[0].symbol, told.executions[0].trade_id) == ("LTC-USDT@spot", "38259147")


def test_a_json_ping_is_answered_with_its_own_id():
    """The spot dialect of the heartbeat."""
    ping = {"ping": "2177c68e", "time": "2022-06-07T16:27:36.323+0800"}
    (answer,) = session().received(packed(ping), SEEN)
    assert json.loads(answer.text) == {"pong": "2177c68e", "time": "2022-06-07T16:27:36.323+0800"}


def test_facts_and_positions_are_told():
    """An order's push is a fact, an account's push tells positions and no equity: it is none."""
    (told,) = session().received(packed(TRADE_UPDATE), SEEN)
    assert told.facts[0].ts_seen == SEEN
    (told,) = session().received(packed(ACCOUNT_UPDATE), SEEN)
    assert (len(told.positions), told.equities, told.facts) == (1, (), ())


def test_what_tells_nothing_makes_no_event():
    """Settings come again every few seconds."""
    assert session().received(packed(CONFIGURATION), SEEN) == []


def test_an_expired_listen_key_ends_the_session():
    """The socket may stay open and silent: a new key is to be made at once."""
    assert session().received(packed(EXPIRED), SEEN) == [Failed("the listen key has expired", fatal=False)]


@pytest.mark.parametrize(("code", "fatal"), [(100400, False), (100413, True), (100001, True), (80403, False)])
def test_an_error_frame_ends_the_session(code, fatal):
    """Fatal where only an operator can help."""
    (failed,) = session(heard=False).received(packed({"code": code, "msg": "no", "timestamp": 1}), SEEN)
    assert failed == Failed(f"{code} no", fatal=fatal)


def test_a_silent_stream_is_dead():
    """The server pings every 5 s; a socket that says nothing for four of them has failed."""
    quiet = session()
    assert quiet.tick(SEEN + SILENT_AFTER - 1) == []
    (failed,) = quiet.tick(SEEN + SILENT_AFTER)
    assert (type(failed), failed.fatal) == (Failed, False)


def test_a_stream_that_never_starts_is_dead():
    """A socket with a dead key opens as any other."""
    (failed,) = session(heard=False).tick(SEEN + READY_WITHIN)
    assert failed == Failed("the stream did not start in time", fatal=False)


def test_the_listen_key_is_extended_every_half_hour():
    """At 30 min, 60 min, ... while pings come."""
    alive, asked = session(), []
    for second in range(5, 3 * 3600, 5):
        now = SEEN + second * S
        alive.received(packed("Ping"), now)
        if now >= alive.due():
            asked += [(event, now - SEEN) for event in alive.tick(now)]
    assert asked == [(KeepAlive(), (each + 1) * EXTEND_EVERY) for each in range(5)]


def test_due_is_never_past_what_is_due():
    """The earlier of the two deadlines."""
    assert session().due() == SEEN + SILENT_AFTER


def bomb(size):
    pack = zlib.compressobj(wbits=31)
    return pack.compress(b" " * size) + pack.flush()


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (bomb(MAX_FRAME * 200), "unpacks to"),
        (bomb(MAX_FRAME + 1), "unpacks to"),
        (packed("{}")[:-3], "cut off"),
        (packed("{}") + b"more", "4 bytes after the end"),
        (b"\x1f\x8b\x07\x00broken", "broken gzip"),
        (b"\xff\xfe", "neither gzip nor text"),
        (b"x" * (MAX_FRAME + 1), "more than"),
        (packed("[]"), "not a JSON object"),
        (packed("Pong"), "not JSON"),
        (packed("[" * 100_000), "not JSON"),
        ("\ud800", "not JSON"),
        (packed({"e": "MARGIN_CALL"}), "no event of the documentation"),
        (packed({"dataType": "spot.other", "data": {}}), "not a topic"),
        (packed({"e": "TRADE_UPDATE", "o": []}), "not an object"),
        (packed({}), "frame.e: missing"),
    ],
)
def test_a_bad_frame_is_kept_with_what_is_wrong(frame, what):
    """Whole, and the session goes on."""
    (kept,) = session().received(frame, SEEN)
    assert isinstance(kept, Unreadable)
    assert what in str(kept.error)
    assert kept.frame == (frame if isinstance(frame, str) else frame.hex())


def test_a_bomb_is_not_unpacked():
    """A frame of 200 KiB that would fill 200 MiB is refused at the bound."""
    assert len(bomb(MAX_FRAME * 200)) < MAX_FRAME
    (kept,) = session().received(bomb(MAX_FRAME * 200), SEEN)
    assert isinstance(kept.error, UnreadableFrame)


def test_a_plain_frame_is_read_too():
    """Text that was unpacked elsewhere, such as a recorded one."""
    (told,) = session().received(json.dumps(TRADE_UPDATE), SEEN)
    assert told.facts[0].symbol == "BTC-USDT"
    (told,) = session().received(json.dumps(TRADE_UPDATE).encode(), SEEN)
    assert told.facts[0].symbol == "BTC-USDT"


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({})
)


@st.composite
def mutated(draw):
    """A documented frame with one value replaced, removed or moved, or with bytes of its gzip changed."""
    frame = json.loads(json.dumps(draw(st.sampled_from(FRAMES))))
    target = frame
    while True:
        name = draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
        inner = target[name]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            target = inner
            continue
        break
    if draw(st.booleans()):
        target[name] = draw(LEAVES)
    else:
        del target[name]
    raw = bytearray(gzip.compress(json.dumps(frame).encode()))
    for _ in range(draw(st.integers(0, 2))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(len(raw) - 2, len(raw)))])


@given(st.one_of(mutated(), st.binary(max_size=64), st.text(max_size=64)))
def test_no_frame_breaks_the_session(frame):
    """Whatever comes, it is told, answered, or kept as unreadable: nothing else escapes."""
    for event in session().received(frame, SEEN):
        assert isinstance(event, Told | Send | Unreadable | Failed)
