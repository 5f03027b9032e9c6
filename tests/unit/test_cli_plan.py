"""`spider plan`: an event to orders with reasons; bad input is named by file, field and fix."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from typer.testing import Result

from spider_common.domain.intents import Intent
from spider_common.domain.orders import CopyState
from spider_common.domain.reasons import WORDS, Reason
from tests.strategies import MS
from tests.unit.spider_command import EQUITIES, EVENT, FRAME, PRODUCT, changed, lines, refused, spider


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
    """The first line of `spider decode` is an event for `spider plan`. The frame's sale has no copy: it is
    of spot, and none was bought."""
    order = spider("decode", "okx", stdin=FRAME).stdout.splitlines()[0]

    assert intents(planned("--json", event="-", stdin=order)) == {}
    made = intents(planned("--json", event="-", stdin=order.replace('"sell"', '"buy"')))
    assert (made["ana"].side, made["ana"].quantity) == ("buy", Decimal("0.0005"))


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
