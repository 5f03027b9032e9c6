"""`spider decode` of Bitget's and BingX's frames: text, gzip, and gzip as text."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.frames import binary, frames_of
from tests.bitget_samples import ACCOUNT_PUSH, CONTRACT, FILL_PUSH, PLAN_PUSH, POSITION_PUSH
from tests.unit.bingx_frames import ACCOUNT_UPDATE, CONTRACT_ROW, EXPIRED, packed
from tests.unit.spider_command import ROOT, lines, refused, spider

BITGET = (ROOT / "examples/bitget-frame.json").read_text()
BINGX = (ROOT / "examples/bingx-frame.json").read_bytes()


def kinds(venue: str, stdin: str | bytes) -> list[str]:
    """What each event on stdout is; nothing is on stderr."""
    result = spider("decode", venue, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    return [kind for line in lines(result) for kind in line if kind != "event_id"]


def test_bitgets_documented_push_is_decoded() -> None:
    """One order and its fill, of the account that is named after the venue."""
    order, execution = lines(spider("decode", "bitget", stdin=BITGET))

    assert (order["order"]["account"], order["order"]["cum_filled"]) == ("bitget-leader", "0.01")
    assert (execution["execution"]["price"], execution["execution"]["fee"]) == ("27000.5", "-0.162003")


def test_every_private_channel_of_bitget_is_decoded() -> None:
    """Trigger orders, fills, positions and the account's worth, in the order of the frames."""
    pushes = f"{PLAN_PUSH}\n{FILL_PUSH}\n{POSITION_PUSH}\n{ACCOUNT_PUSH}"
    assert kinds("bitget", pushes) == ["order", "execution", "position", "equity"]


@pytest.mark.parametrize(
    "kept",
    [
        bytes,
        gzip.compress,
        lambda text: gzip.compress(text).hex().encode(),
        lambda text: gzip.compress(text).hex().upper().encode(),
        lambda text: base64.b64encode(gzip.compress(text)),
        lambda text: json.dumps(json.loads(text), indent=2).encode(),
    ],
    ids=["text", "gzip", "hex", "HEX", "base64", "lines"],
)
@pytest.mark.parametrize("copies", [1, 3])
def test_bingx_frames_are_decoded_however_they_were_kept(kept: Callable[[bytes], bytes], copies: int) -> None:
    """As sent, as a line of text for that, or unpacked, and with line ends between or not: the same order."""
    plain = lines(spider("decode", "bingx", stdin=BINGX))[0]
    told = lines(spider("decode", "bingx", stdin=b"\n".join([kept(BINGX)] * copies)))

    assert [line["event_id"] for line in told] == [plain["event_id"]] * copies
    assert plain["order"]["symbol"] == "BTC-USDT"


def test_a_position_of_bingx_is_decoded() -> None:
    """An ACCOUNT_UPDATE tells what is held, signed."""
    (position,) = lines(spider("decode", "bingx", stdin=packed(ACCOUNT_UPDATE)))
    assert position["position"]["quantity"] == "-5.000"


@pytest.mark.parametrize(
    ("venue", "frame", "control"),
    [
        ("bitget", b"pong", {"event": "pong"}),
        ("bitget", b'{"event":"login","code":0,"msg":""}', {"event": "login", "code": "0"}),
        (
            "bitget",
            b'{"event":"subscribe","arg":{"instType":"USDT-FUTURES","channel":"orders","instId":"default"}}',
            {"event": "subscribe", "channel": "orders"},
        ),
        ("bingx", packed("Ping"), {"event": "Ping"}),
        ("bingx", packed({"ping": "1", "time": "2"}), {"event": "ping"}),
        (
            "bingx",
            packed({"id": "a", "code": 0, "msg": ""}),
            {"event": "answer", "channel": "a", "code": "0"},
        ),
        ("bingx", packed(EXPIRED), {"event": "listenKeyExpired"}),
        ("bingx", packed({"e": "ACCOUNT_CONFIG_UPDATE"}), {"event": "ACCOUNT_CONFIG_UPDATE"}),
    ],
)
def test_what_is_no_fact_is_told(venue: str, frame: bytes, control: dict[str, str]) -> None:
    """Heartbeats, answers and notices, each by its event."""
    assert lines(spider("decode", venue, stdin=frame)) == [{"control": control}]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"stray", "frame: not JSON: "),
        (packed("{}")[:-9], "frame: "),
        (packed("{}")[:12] + b"\x00" * 9, "frame: broken gzip: "),
        (packed(" " * (1 << 21)), "frame: the gzip unpacks to 1048576 bytes or more"),
        (packed({"e": "GREETING"}), "frame.e: 'GREETING' is no event of the documentation"),
        (packed({"reqType": "sub"}), "frame.reqType: a request to the venue; leave it out"),
    ],
)
def test_a_broken_gzip_frame_spoils_no_other(broken: bytes, words: str) -> None:
    """The error names which frame it was; those before and after it are decoded; the code is 1."""
    result = spider("decode", "bingx", stdin=gzip.compress(BINGX) + broken + gzip.compress(BINGX))

    assert result.stderr.startswith(f"frame 2: {words}")
    assert (len(lines(result)), result.exit_code) == (2, 1)


@pytest.mark.parametrize("kept", [b"1f8b080", base64.b64encode(gzip.compress(BINGX))[:-3]])
def test_half_a_line_of_gzip_is_named(kept: bytes) -> None:
    """What was cut while copying is told by its line, and shown."""
    result = spider("decode", "bingx", stdin=BINGX + kept)

    first, shown = result.stderr.splitlines()
    assert first.startswith("line 2: frame: the line of hex or base64 is not whole: ")
    assert shown.strip().encode() == kept


def test_an_unreadable_gzip_frame_is_shown_as_text() -> None:
    """A person sees what was in it; what cannot be unpacked comes as hex, which can be decoded again."""
    result = spider("decode", "bingx", stdin=packed({"e": "GREETING"}) + packed("{}")[:-9])

    shown = [line.strip() for line in result.stderr.splitlines()[1::2]]
    assert shown == ['{"e": "GREETING"}', packed("{}")[:-9].hex()]
    assert spider("decode", "bingx", stdin=shown[1]).stderr.endswith(f"\n  {shown[1]}\n")


def test_a_listen_key_is_never_shown() -> None:
    """Whoever has it reads the account's socket."""
    result = spider("decode", "bingx", stdin=packed({"e": "listenKeyMade", "listenKey": "hunter2"}))

    assert "not shown: it has a listenKey in it" in result.stderr
    assert "hunter2" not in result.output


def test_gzip_is_no_frame_of_another_venue() -> None:
    """It is refused and shown, not taken for something else."""
    result = spider("decode", "okx", stdin=gzip.compress(BINGX))
    assert (result.exit_code, result.stderr[:24]) == (1, "frame 1: frame: not JSON")


def test_a_venue_that_we_do_not_know_is_refused() -> None:
    """The three that are known are named."""
    result = spider("decode", "kraken", stdin=BITGET)

    assert (result.exit_code, result.stdout) == (2, "")
    assert all(venue in result.stderr for venue in ("kraken", "okx", "bitget", "bingx"))


@given(st.lists(st.tuples(st.binary(max_size=99), st.sampled_from([b"", b"\n", b" \r\n"])), min_size=1))
def test_gzip_frames_are_found_in_any_row(frames: list[tuple[bytes, bytes]]) -> None:
    """Whatever is in them, frames written after one another come back each by itself."""
    stream = b"".join(gzip.compress(frame) + between for frame, between in frames)

    found = list(frames_of(stream.splitlines(keepends=True)))
    assert [place for place, _ in found] == [f"frame {number + 1}" for number in range(len(frames))]
    assert [gzip.decompress(frame) for _, frame in found] == [frame for frame, _ in frames]


@given(st.lists(st.binary(max_size=99), min_size=1), st.sampled_from(["hex", "base64"]))
def test_gzip_as_text_stands_for_the_gzip(frames: list[bytes], how: str) -> None:
    """A line of either kind is the bytes that it was made of."""
    packs = [gzip.compress(frame) for frame in frames]
    written = [pack.hex().encode() if how == "hex" else base64.b64encode(pack) for pack in packs]

    assert [binary(line) for _, line in frames_of(line + b"\n" for line in written)] == packs


@pytest.mark.parametrize(
    ("venue", "code", "row", "frame"),
    [
        ("bitget", "00000", CONTRACT | {"symbol": "XYZUSDT"}, BITGET.replace("BTCUSDT", "XYZUSDT")),
        ("bingx", 0, CONTRACT_ROW | {"symbol": "XYZ-USDT"}, BINGX.decode().replace("BTC-", "XYZ-")),
    ],
)
def test_instruments_come_from_the_venues_answers(
    tmp_path: Path, venue: str, code: object, row: dict[str, Any], frame: str
) -> None:
    """An answer is read as its venue writes it; without it the instrument is unknown, and the fix is said."""
    path = tmp_path / "listed.json"
    path.write_text(json.dumps({"code": code, "msg": "", "data": [row]}))

    told = lines(spider("decode", venue, "--instruments", path, stdin=frame))
    assert told[0]["order"]["symbol"] == row["symbol"]
    assert "; refresh the instrument list\n" in spider("decode", venue, stdin=frame).stderr


@pytest.mark.parametrize("code", ["40034", 100410])
def test_an_error_of_a_venue_is_no_list(tmp_path: Path, code: object) -> None:
    """An answer with an error code lists nothing, whatever the venue calls it."""
    path = tmp_path / "listed.json"
    path.write_text(json.dumps({"code": code, "msg": "Busy", "data": None}))
    assert f"{path}: code: {code} Busy" in refused("decode", "bitget", "--instruments", path, stdin=BITGET)
