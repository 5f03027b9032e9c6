"""`spider decode`: raw frames to events; a bad one is named by its place and spoils no other."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.frames import frames_of
from spider_common.domain.executions import Execution
from spider_common.domain.orders import OrderFact
from tests.strategies import MS
from tests.unit.bingx_frames import SPOT
from tests.unit.spider_command import FRAME, lines, refused, spider


def pushed(**fields: str) -> str:
    """The documented push with some fields of its order changed."""
    frame = json.loads(FRAME)
    frame["data"][0].update(fields)
    return json.dumps(frame)


def test_the_documented_push_is_decoded() -> None:
    """One order and one execution, as typed events with exact decimals; nothing on stderr."""
    result = spider("decode", "okx", stdin=FRAME)

    order, execution = lines(result)
    fact = msgspec.convert(order["order"], OrderFact)
    assert order["event_id"] == fact.event_id
    assert (fact.symbol, fact.side, fact.status, fact.cum_filled) == (
        "BTC-USDT",
        "sell",
        "filled",
        Decimal("0.001"),
    )
    assert msgspec.convert(execution["execution"], Execution).fee == Decimal("-0.02522168")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("copies", [1, 2])
def test_a_frame_may_take_several_lines(indent: int | None, copies: int) -> None:
    """A document over several lines tells the same as one line, alone and among others."""
    text = "\n".join([json.dumps(json.loads(FRAME), indent=indent)] * copies)
    told, line = spider("decode", "okx", stdin=text), spider("decode", "okx", stdin=FRAME)

    ids = [event.get("event_id") for event in lines(told)]
    assert ids == [event.get("event_id") for event in lines(line)] * copies


@pytest.mark.parametrize(
    ("frame", "control"),
    [
        (
            '{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}',
            {"event": "login", "code": "0"},
        ),
        (
            '{"id":"1","event":"subscribe","arg":{"channel":"orders","instType":"SWAP"},"connId":"a4"}',
            {"event": "subscribe", "channel": "orders"},
        ),
        (
            '{"event":"notice","code":"64008","msg":"Soon."}',
            {"event": "notice", "code": "64008", "msg": "Soon."},
        ),
        ('{"event":"error","code":"60009","msg":"No."}', {"event": "error", "code": "60009", "msg": "No."}),
        ("pong", {"event": "pong"}),
    ],
)
def test_control_events_are_decoded(frame: str, control: dict[str, str]) -> None:
    """What is not a push has its event, channel, code and message."""
    assert lines(spider("decode", "okx", stdin=frame)) == [{"control": control}]


def test_equities_are_decoded() -> None:
    """A push of the account channel tells what the account that was named is worth."""
    push = {"arg": {"channel": "account"}, "data": [{"totalEq": "91884.85", "uTime": "1705564223311"}]}
    (event,) = lines(spider("decode", "okx", "--account", "okx-ana", stdin=json.dumps(push)))

    assert event["equity"] == {
        "account": "okx-ana",
        "equity": "91884.85",
        "currency": "USD",
        "ts_venue": 1705564223311 * MS,
    }


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pushed(side="up"), "data[0].side: 'up' is none of buy, sell"),
        (pushed(state="done"), "data[0].state: 'done' is none of "),
        (pushed(sz="much"), "data[0].sz: 'much' is not a number"),
        (pushed(uTime="today"), "data[0].uTime: 'today' is not a time in milliseconds"),
        (pushed(instId="XYZ-USDT"), "data[0].instId: 'XYZ-USDT' is no instrument we know; refresh "),
        ('{"arg":{"channel":"orders"}}', "frame.data: not an array of objects"),
        ('{"arg":{"channel":"tickers"},"data":[]}', "arg.channel: 'tickers' is not a channel "),
        ('{"data":[]}', "frame.arg: not an object"),
        ('{"event":"greeting"}', "frame.event: 'greeting' is none of "),
        ('{"event":"error","code":[]}', "frame.code: [] is not a string"),
        ('{"op":"subscribe","args":[]}', "frame.op: a request to the venue; leave it out"),
        ('{"arg":{"channel":"orders"', "frame: not JSON: "),
        ("[1]", "frame: not a JSON object"),
        ("nonsense", "frame: not JSON: "),
        ("[" * 100_000, "frame: not JSON: "),
        ('{"event":"' + "x" * (1 << 20) + '"}', "frame: 1048588 long, more than the 1048576 "),
    ],
)
@pytest.mark.parametrize("where", ["first", "between"])
def test_a_malformed_frame_spoils_no_other(frame: str, words: str, where: str) -> None:
    """The error names line and place and shows the frame; the others are decoded; the code is 1."""
    text = f"{frame}\n{FRAME}\n" if where == "first" else f"{FRAME}\n{frame}\n{FRAME}\n"
    result = spider("decode", "okx", stdin=text)

    first, shown = result.stderr.splitlines()
    assert first.startswith(f"line {1 if where == 'first' else 2}: {words}")
    assert shown.strip().startswith(frame[:1000])
    assert len(lines(result)) == (2 if where == "first" else 4)
    assert result.exit_code == 1


def test_bytes_that_are_no_text_are_refused() -> None:
    """A frame that is not UTF-8 is shown with its bytes escaped."""
    result = spider("decode", "okx", stdin=b'{"event":"\xff"}\n')

    assert result.stderr.startswith("line 1: frame: not JSON: ")
    assert r"\xff" in result.stderr


def test_a_passphrase_is_never_shown() -> None:
    """A recorded login request is refused without its content, whole or cut."""
    request = '{"op":"login","args":[{"apiKey":"k","passphrase":"hunter2","sign":"s"}]}'
    result = spider("decode", "okx", stdin=f"{request}\n{request[:-3]}\n")

    assert result.stderr.count("not shown") == 2
    assert "hunter2" not in result.output


def test_no_frame_is_refused() -> None:
    """Empty input is a mistake, and the fix is said."""
    assert refused("decode", "okx", stdin="\n \n") == (
        "stdin: no frame in it; write: spider decode okx < frame.json"
    )


objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["a", "{", "pong"]), st.integers() | st.just({"b": [{}]}), min_size=1
)


@given(st.lists(st.tuples(objects, st.sampled_from([None, 1, 4])), max_size=6))
def test_frames_are_found_in_any_layout(frames: list[tuple[dict[str, Any], int | None]]) -> None:
    """JSON objects written after one another, each on one line or over several, come back each by itself."""
    text = "\n".join(json.dumps(frame, indent=indent) for frame, indent in frames)

    found = [json.loads(frame) for _, frame in frames_of(text.encode().splitlines(keepends=True))]
    assert found == [frame for frame, _ in frames]


def _answer(tmp_path: Path, *rows: dict[str, str], code: str = "0") -> Path:
    path = tmp_path / "instruments.json"
    path.write_text(json.dumps({"code": code, "msg": "" if code == "0" else "Busy", "data": rows}))
    return path


LISTED = {
    "instType": "SWAP",
    "instId": "XYZ-USDT-SWAP",
    "settleCcy": "USDT",
    "ctType": "linear",
    "ctVal": "10",
    "ctMult": "1",
    "lotSz": "1",
    "minSz": "1",
    "tickSz": "0.1",
}


def test_instruments_come_from_okx_answers(tmp_path: Path) -> None:
    """An instrument of the answer is known, its contracts counted in base quantity."""
    frame = pushed(instId="XYZ-USDT-SWAP", sz="3", accFillSz="2", fillSz="2")
    result = spider("decode", "okx", "--instruments", _answer(tmp_path, LISTED), stdin=frame)

    order = lines(result)[0]["order"]
    assert (order["quantity"], order["cum_filled"]) == ("30", "20")


def test_a_bad_instrument_is_named(tmp_path: Path) -> None:
    """File, row and field."""
    path = _answer(tmp_path, LISTED, {**LISTED, "lotSz": "tiny"})
    assert f"{path}: data[1].lotSz: 'tiny' is not a number" in refused(
        "decode", "okx", "--instruments", path, stdin=FRAME
    )


def test_an_error_of_okx_is_no_list(tmp_path: Path) -> None:
    """An answer with an error code lists nothing, and its code is told."""
    path = _answer(tmp_path, code="50013")
    assert f"{path}: code: 50013 Busy" in refused("decode", "okx", "--instruments", path, stdin=FRAME)


def test_spot_frames_of_bingx_have_spot_symbols(tmp_path: Path) -> None:
    """With the venue's own list of pairs too, which wraps its rows once more."""
    pair = {"symbol": "LTC-USDT", "tickSize": 0.01, "stepSize": 0.0001, "status": 1}
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"code": 0, "msg": "", "data": {"symbols": [pair]}}))
    result = spider("decode", "bingx", "--instruments", path, stdin=json.dumps(SPOT))
    assert lines(result)[0]["order"]["symbol"] == "LTC-USDT@spot"
