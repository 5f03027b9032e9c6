"""The `spider` command: results on stdout, messages on stderr, bad input named by file, field and fix."""

import json
import subprocess
import sys
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from services.cli import app, journal
from services.cli.frames import frames_of
from spider_common import schema
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import ClientOrderId, EventId
from spider_common.domain.intents import Cursor, Doubt, Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState, OrderFact
from spider_common.domain.positions import Book
from spider_common.domain.reasons import WORDS, Reason
from spider_common.settings import CommonSettings
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.trading import TradingStore
from tests.strategies import MS, TS, intent, journal_row

ROOT = Path(__file__).parents[2]
FRAME = (ROOT / "examples/okx-frame.json").read_text().strip()
EVENT = ROOT / "examples/leader-event.json"
PRODUCT = ROOT / "examples/product.yaml"
EQUITIES = ROOT / "examples/equities.json"


def spider(*arguments: object, stdin: str | bytes = "") -> Result:
    """The outcome of one command; a traceback is never one."""
    result = CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(*arguments: object, stdin: str | bytes = "") -> str:
    """The one line with which a command refuses its input; it has printed no result."""
    result = spider(*arguments, stdin=stdin)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def lines(result: Result) -> list[dict[str, Any]]:
    """The JSON lines on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def changed(path: Path, at: tuple[str | int, ...], value: object, into: Path) -> Path:
    """A copy of a JSON or YAML file with one field set."""
    content = yaml.safe_load(path.read_text())
    inner = content
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    into = into / path.name
    into.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))
    return into


def pushed(**fields: str) -> str:
    """The documented push with some fields of its order changed."""
    frame = json.loads(FRAME)
    frame["data"][0].update(fields)
    return json.dumps(frame)


# spider decode


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


# spider plan


def planned(*arguments: object, event: object = EVENT, product: object = PRODUCT, stdin: str = "") -> Result:
    return spider("plan", "--event", event, "--product", product, *arguments, stdin=stdin)


def intents(result: Result) -> dict[str, Intent]:
    """The intents on stdout by client."""
    found = [msgspec.convert(line["intent"], Intent) for line in lines(result)]
    return {each.client: each for each in found}


def test_the_example_shows_every_outcome() -> None:
    """Scaled, below the lot, switched off, proportional to equity: each with its state and reason."""
    made = intents(planned("--equities", EQUITIES, "--json"))

    assert [(client, each.state, each.quantity, each.reason) for client, each in made.items()] == [
        ("ana", CopyState.PLANNED, Decimal("0.25"), ""),
        ("bruno", CopyState.SKIPPED, 0, Reason.BELOW_MINIMUM),
        ("clara", CopyState.DENIED, 0, Reason.TRADING_OFF),
        ("davi", CopyState.PLANNED, Decimal("0.1875"), ""),
    ]


def test_a_table_tells_reasons_in_words() -> None:
    """Without --json: one row a follower, and the reason as the documentation words it."""
    result = planned()

    assert result.exit_code == 0
    assert WORDS[Reason.BELOW_MINIMUM] in result.stdout
    assert WORDS[Reason.EQUITY_UNKNOWN] in result.stdout
    assert all(client in result.stdout for client in ("ana", "bruno", "clara", "davi"))


def test_now_makes_a_signal_stale() -> None:
    """Planned later than the product allows, opens are denied."""
    late = json.loads(EVENT.read_text())["fact"]["ts_venue"] + 31_000 * MS

    assert intents(planned("--json", "--now", late))["ana"].reason == Reason.STALE_SIGNAL
    assert intents(planned("--json", "--now", late - 1_000 * MS))["ana"].state is CopyState.PLANNED


def test_equities_age() -> None:
    """Equities older than the order service accepts do not size an order."""
    late = json.loads(EQUITIES.read_text())[0]["ts_venue"] + 601_000 * MS
    made = intents(planned("--json", "--now", late, "--equities", EQUITIES))

    assert made["davi"].reason == Reason.EQUITY_STALE


def test_a_fact_is_planned_in_every_shard(tmp_path: Path) -> None:
    """A fact alone goes to each shard of the product, and each follower has its order once."""
    fact = tmp_path / "fact.json"
    fact.write_text(json.dumps(json.loads(EVENT.read_text())["fact"]))
    product = changed(PRODUCT, ("shards",), 3, tmp_path)
    result = planned("--json", event=fact, product=product)

    whole = intents(planned("--json"))
    assert len(lines(result)) == len(whole)
    assert intents(result) == whole
    assert len({line["shard"] for line in lines(result)}) > 1


def test_a_decoded_order_can_be_planned() -> None:
    """The first line of `spider decode` is an event for `spider plan`."""
    order = spider("decode", "okx", stdin=FRAME).stdout.splitlines()[0]

    made = intents(planned("--json", event="-", stdin=order))
    assert (made["ana"].side, made["ana"].quantity) == ("sell", Decimal("0.0005"))


def test_a_book_says_what_is_held(tmp_path: Path) -> None:
    """With a short in the book the leader's buy closes it, and the follower's part with it."""
    book = tmp_path / "book.json"
    book.write_text('{"leader":{"net":"-1"},"parts":{"net/ana":{"target":"-0.5","planned":"-0.5"}}}')
    order = intents(planned("--json", "--book", book))["ana"]

    assert (order.leg, order.quantity, order.reduce_only) == ("close", Decimal("0.25"), True)


def test_an_event_may_call_for_nothing(tmp_path: Path) -> None:
    """The planner's reason is told: as JSON on stdout, in words on stderr."""
    event = changed(EVENT, ("fact", "cum_filled"), "0", tmp_path)
    result = planned("--json", event=event)

    assert lines(result) == [{"shard": 0, "reason": "no_new_fill"}]
    assert result.stderr == f"shard 0: no_new_fill: {WORDS[Reason.NO_NEW_FILL]}\n"


def test_a_plan_without_orders_says_so(tmp_path: Path) -> None:
    """A close of what the book does not hold plans nothing, which is a message and no result."""
    event = changed(EVENT, ("fact", "reduce_only"), True, tmp_path)
    result = planned("--json", event=event)

    assert (result.stdout, result.exit_code) == ("", 0)
    assert result.stderr.startswith("no orders: ")


@pytest.mark.parametrize(
    ("file", "at", "value", "words"),
    [
        (
            PRODUCT,
            ("subscriptions", 0, "sizing", "rato"),
            "2",
            "product.yaml: Object contains unknown field `rato` - at `$.subscriptions[0].sizing`; ",
        ),
        (PRODUCT, ("colour",), "red", "product.yaml: Object contains unknown field `colour`; "),
        (PRODUCT, ("leader", "venue"), "kraken", "Invalid enum value 'kraken' - at `$.leader.venue`; "),
        (PRODUCT, ("shards",), 0, "shards: 0 is not a positive number; write 1 or more"),
        (PRODUCT, ("subscriptions", 1, "sizing", "ratio"), "-1", "at `$.subscriptions[1].sizing`"),
        (PRODUCT, ("subscriptions", 1, "sizing", "ratio"), "much", "at `$.subscriptions[1].sizing.ratio`"),
        (PRODUCT, ("subscriptions", 1, "client"), "ana", "subscriptions: client 'ana' stands there twice"),
        (PRODUCT, ("subscriptions", 1, "client"), 7, "`int` - at `$.subscriptions[1].client`"),
        (PRODUCT, ("product",), "beta", "leader-event.json: product: 'alpha' is not 'beta', as in "),
        (PRODUCT, ("leader", "account"), "x", "fact.account: 'okx-leader' at okx is not the leader in "),
        (
            EVENT,
            ("fact", "colour"),
            "red",
            "leader-event.json: Object contains unknown field `colour` - at `$.fact`",
        ),
        (EVENT, ("fact", "status"), "mmp", "Invalid enum value 'mmp' - at `$.fact.status`"),
        (EVENT, ("fact", "cum_filled"), "NaN", "cum_filled: NaN is not a number to count with"),
        (EVENT, ("fact", "symbol"), "XYZ-USDT", "fact.symbol: okx lists no 'XYZ-USDT'; refresh "),
        (EVENT, ("shard",), 1, "leader-event.json: shard: 1 is not in 0 to 0"),
        (EQUITIES, (0, "equity"), "much", "equities.json: Invalid decimal string - at `$[0].equity`"),
        (EQUITIES, (0, "colour"), "red", "equities.json: Object contains unknown field `colour` - at `$[0]`"),
    ],
)
def test_a_wrong_field_is_named(
    tmp_path: Path, file: Path, at: tuple[str | int, ...], value: object, words: str
) -> None:
    """One line: the file, the field's path, what is wrong with it, where the fix is told."""
    files = {each: each for each in (EVENT, PRODUCT, EQUITIES)}
    files[file] = changed(file, at, value, tmp_path)

    line = refused(
        "plan", "--event", files[EVENT], "--product", files[PRODUCT], "--equities", files[EQUITIES]
    )
    assert words in line
    assert line.startswith(str(tmp_path)) or str(tmp_path) in line


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.yaml", b"product: [", "p.yaml: line 1: not YAML: "),
        ("p.yaml", b"a: 1\nb: 0x_\n", "p.yaml: not YAML: "),
        ("p.yaml", b"a: \x00", "p.yaml: not YAML: "),
        ("p.yaml", b"- 1", "p.yaml: Expected `object`, got `array`"),
        ("p.yaml", b"", "p.yaml: Expected `object`, got `null`"),
        ("p.yaml", b"[" * 100_000, "p.yaml: "),
        ("p.json", b"{", "p.json: Input data was truncated"),
        ("p.json", b'{"product":"\xff"}', "p.json: "),
        ("p.json", b"[" * 100_000, "p.json: "),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """Whatever a file holds, the answer is one line."""
    path = tmp_path / name
    path.write_bytes(content)

    assert words in refused("plan", "--event", EVENT, "--product", path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path and what the system said of it."""
    path = tmp_path / "none.json"
    assert refused("plan", "--event", path, "--product", PRODUCT) == (
        f"{path}: No such file or directory; name a file that can be read"
    )


def test_a_ratio_in_yaml_is_exact(tmp_path: Path) -> None:
    """A fraction is read as it is written, not through a float."""
    product = tmp_path / "product.yaml"
    product.write_text(PRODUCT.read_text().replace("ratio: 0.5}", "ratio: 0.49999999999999999999}"))

    # as a float the ratio would be 0.5, and the copy a lot more
    assert intents(planned("--json", product=product))["ana"].quantity == Decimal("0.2499")


# spider journal


class _Still:
    """A clock that stands at `TS`."""

    def now(self) -> int:
        return TS


@pytest.fixture
def trading(monkeypatch: pytest.MonkeyPatch) -> TradingStore:
    """The Trading table that the command opens: the in-memory twin, at the time of the stored rows."""
    store = TradingStore(MemoryTable(schema.TRADING, _Still()))

    @asynccontextmanager
    async def opened(chosen: CommonSettings) -> AsyncIterator[TradingStore]:
        yield store

    monkeypatch.setattr(journal, "open_trading", opened)
    return store


def _store(trading: TradingStore, *intents: Intent) -> EventId:
    row: JournalRow = journal_row(*intents)
    cursor = Cursor(cum_filled=Decimal(1), ts_venue=TS)
    trio.run(trading.commit_plan, row, (cursor, 0), (Book(), 0))
    return row.event.fact.event_id


def test_a_journal_is_shown(trading: TradingStore) -> None:
    """Owner, fence, lease; for each order client, state, reason in words, doubt and latency."""
    doubt = Doubt(expires=TS, why="no answer in time", since=TS, misses=1)
    event = _store(
        trading,
        intent(
            state=CopyState.ACCEPTED,
            ts_sent=TS + 15 * MS,
            ts_answered=TS + 57 * MS + 500_000,
        ),
        intent(client="bruno", client_order_id=ClientOrderId("c2"), state=CopyState.IN_DOUBT, doubt=doubt),
        intent(
            client="clara",
            client_order_id=ClientOrderId("c3"),
            state=CopyState.DENIED,
            reason=Reason.TRADING_OFF,
        ),
        intent(client="dora", client_order_id=ClientOrderId("c4"), reason="51008 [red]margin[/red]"),
    )
    result = spider("journal", event)

    assert (result.exit_code, result.stderr) == (0, "")
    for words in (
        "product p, shard 0 of 1: owner one, fence 1, lease until 2023-11-14T22:13:20.000Z",
        "no answer in time; since 2023-11-14T22:13:20.000Z, missed 1 times",
        WORDS[Reason.TRADING_OFF],
        "51008 [red]margin[/red]",
    ):
        assert words in result.stdout
    (accepted,) = (line for line in result.stdout.splitlines() if "accepted" in line)
    cells = [cell.strip() for cell in accepted.strip("│ ").split("│")]
    assert cells == ["alice", "BTC-USDT-SWAP", "buy", "1", "accepted", "", "", "10.0", "42.5", "c1"]


def test_a_journal_as_json_is_the_whole_row(trading: TradingStore) -> None:
    """Nothing that is stored is left out."""
    event = _store(trading, intent())
    (row,) = lines(spider("journal", event, "--json"))

    assert msgspec.convert(row, JournalRow) == journal_row(intent())


def test_an_unknown_event_is_told(trading: TradingStore) -> None:
    """No row: a message, no result, code 1."""
    result = spider("journal", "0" * 32)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("0" * 32 + ": no row in table trading")


@pytest.mark.parametrize("name", ["x", "0" * 31, "0" * 33, "Z" * 32])
def test_what_is_no_event_id_is_refused(name: str) -> None:
    """The argument is named before anything is opened."""
    assert refused("journal", name).startswith(f"EVENT_ID: {name!r} is not 32 hex digits; ")


def test_settings_of_services_do_not_matter(trading: TradingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in a service's environment; a variable that nobody knows is refused by name."""
    event = _store(trading, intent())
    monkeypatch.setenv("SPIDER_LEASE_MS", "9000")
    monkeypatch.setenv("SPIDER_SWEEP_MS", "9000")
    assert spider("journal", event).exit_code == 0

    monkeypatch.setenv("SPIDER_AWS_REGON", "eu-west-1")
    assert refused("journal", event).startswith("SPIDER_AWS_REGON: CommonSettings has no such setting; ")


# spider simulate


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was asked of the simulation: a stand-in that fails from seed 9 on, since a real one takes long."""
    asked: list[tuple[int, int]] = []

    def simulate_seeds(first: int, count: int) -> int:
        asked.append((first, count))
        sys.stdout.write(f"seeds {first} to {first + count - 1}\n")
        return int(first + count > 9)

    stand_in = types.ModuleType("services.local.seeds")
    monkeypatch.setattr(stand_in, "simulate_seeds", simulate_seeds, raising=False)
    monkeypatch.setitem(sys.modules, "services.local.seeds", stand_in)
    return asked


@pytest.mark.parametrize(("first", "code"), [(1, 0), (7, 1)])
def test_seeds_are_simulated(simulated: list[tuple[int, int]], first: int, code: int) -> None:
    """First and count are passed on, and the simulation's code is the command's."""
    result = spider("simulate", "--seeds", 3, "--first", first)

    assert (simulated, result.exit_code) == ([(first, 3)], code)
    assert result.stdout == f"seeds {first} to {first + 2}\n"


def test_a_simulation_as_json(simulated: list[tuple[int, int]]) -> None:
    """One object on stdout; what the simulation tells people goes to stderr."""
    result = spider("simulate", "--seeds", 3, "--json")

    assert lines(result) == [{"first": 1, "seeds": 3, "passed": True}]
    assert result.stderr == "seeds 1 to 3\n"


def test_there_is_no_simulation_without_seeds(simulated: list[tuple[int, int]]) -> None:
    """A count below one is refused by its name."""
    result = spider("simulate", "--seeds", 0)

    assert (result.exit_code, simulated) == (2, [])
    assert "--seeds" in result.stderr


# all


def test_start_up_imports_nothing_slow() -> None:
    """Help and completion need none of the libraries of the services."""
    slow = ("boto3", "botocore", "ccxt", "httpx", "redis", "rich", "structlog", "trio", "yaml")
    check = f"import sys, services.cli; print([name for name in {slow} if name in sys.modules])"
    path = f"{ROOT / 'libs'}:{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", check], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
