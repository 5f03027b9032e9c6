"""What crosses the queue: it comes back whole, and what is not ours is refused by name."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import AccountId, ProductId, TradeId, Venue, VenueOrderId
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.products import Equity
from spider_common.messages import (
    VERSION,
    EquityUpdate,
    FollowerUpdate,
    LeaderOrder,
    Message,
    NewerMessage,
    UnreadableMessage,
    decode,
    dedup_key,
    encode,
    group,
)
from tests.strategies import equities, execution, fact, messages, names


def _leader_order(**fields: object) -> LeaderOrder:
    event = LeaderEvent(product=ProductId("p"), shard=0, shards=2, fact=fact())
    return LeaderOrder(event=msgspec.structs.replace(event, **fields))


def _update(**fields: object) -> FollowerUpdate:
    update = FollowerUpdate(venue=Venue.OKX, account=AccountId("follower"), execution=execution())
    return msgspec.structs.replace(update, **fields)


@given(messages())
def test_roundtrip(message: Message) -> None:
    """A message comes back equal, from text and from bytes, and is spelled the same again."""
    body = encode(message)

    assert decode(body) == decode(body.encode()) == message
    assert encode(decode(body)) == body
    assert json.loads(body)["v"] == VERSION


@given(messages())
def test_numbers_are_text(message: Message) -> None:
    """No quantity crosses the queue as a JSON float."""
    json.loads(encode(message), parse_float=lambda text: pytest.fail(f"{text} is a float"))


FACT = ("message", "event", "fact")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((*FACT, "colour"), "red", r"unknown field `colour` - at `\$\.message\.event\.fact`"),
        (("message", "colour"), "red", r"unknown field `colour` - at `\$\.message`"),
        (("colour",), "red", r"unknown field `colour`"),
        ((*FACT, "venue"), "kraken", r"'kraken' - at `\$\.message\.event\.fact\.venue`"),
        ((*FACT, "status"), "mmp", r"'mmp' - at `\$\.message\.event\.fact\.status`"),
        (("message", "type"), "leader_ordeal", r"'leader_ordeal' - at `\$\.message\.type`"),
        ((*FACT, "symbol"), None, r"Expected `str`, got `null` - at `\$\.message\.event\.fact\.symbol`"),
        ((*FACT, "ts_venue"), "1", r"Expected `int`, got `str` - at `\$\.message\.event\.fact\.ts_venue`"),
        ((*FACT, "quantity"), "much", r"decimal string - at `\$\.message\.event\.fact\.quantity`"),
        ((*FACT, "quantity"), "NaN", r"quantity: NaN .* - at `\$\.message\.event\.fact`"),
        ((*FACT, "cum_filled"), "-1", r"cum_filled: -1 .* - at `\$\.message\.event\.fact`"),
        ((*FACT, "cum_filled"), "Infinity", r"cum_filled: Infinity .* - at `\$\.message\.event\.fact`"),
        ((*FACT, "price"), "sNaN", r"price: sNaN .* - at `\$\.message\.event\.fact`"),
        (("v",), "1", r"Expected `int`, got `str` - at `\$\.v`"),
        (("v",), 0, r"^v: message version 0 "),
        (("v",), -1, r"^v: message version -1 "),
    ],
)
def test_a_wrong_value_is_refused_by_name(path: tuple[str, ...], value: object, words: str) -> None:
    """The text names the field and its place, so that it can stand as the dead letter's reason."""
    body = json.loads(encode(_leader_order()))
    at = body
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value

    with pytest.raises(UnreadableMessage, match=words) as caught:
        decode(json.dumps(body))
    assert not isinstance(caught.value, NewerMessage)
    assert "redrive" in str(caught.value)


@given(messages(), st.data())
def test_a_missing_field_is_refused_by_name(message: Message, data: st.DataObject) -> None:
    """Every field without a default is needed, at every depth."""
    body = json.loads(encode(message))
    optional = {"baseline", "ts_published", "fact", "execution"}
    at, path = body, "$"
    while True:
        name = data.draw(st.sampled_from(sorted(at)))
        if isinstance(at[name], dict) and data.draw(st.booleans()):
            at, path = at[name], f"{path}.{name}"
        elif name not in optional or (name == "fact" and path == "$.message.event"):
            break
    del at[name]

    place = "" if path == "$" else f" - at `{path}`"
    with pytest.raises(UnreadableMessage) as caught:
        decode(json.dumps(body))
    assert f"missing required field `{name}`{place}" in str(caught.value)


def test_a_newer_version_is_told_apart() -> None:
    """Whatever a newer writer has added: the version is the reason, and redriving later the fix."""
    body = json.loads(encode(_leader_order()))
    newer = {**body, "v": VERSION + 1, "priority": 1, "message": {"type": "unheard_of"}}

    with pytest.raises(NewerMessage, match=r"^v: message version 2 is newer than 1, .*redrive"):
        decode(json.dumps(newer))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nope",
        "[]",
        "1",
        b"\xff\xfe",
        b'{"v":1,"message":{"type":"\xff"}}',
        "\ud800",
        "[" * 100_000,
        '{"v":1,"x":' + "[" * 100_000,
        '{"v":1,"message":' + '{"a":' * 100_000,
    ],
    ids=["empty", "word", "array", "number", "utf16", "utf8", "surrogate", "deep", "deep-field", "deep-map"],
)
def test_what_is_no_json_object_is_refused(body: str | bytes) -> None:
    """Nothing that a queue can hold makes another error than this one."""
    with pytest.raises(UnreadableMessage, match=r"message body: .*redrive or drop it"):
        decode(body)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_noise_is_refused(body: str | bytes) -> None:
    """Noise is never a message and never another error."""
    with pytest.raises(UnreadableMessage):
        decode(body)


@given(messages(), messages())
def test_dedup_key_of_different_messages(one: Message, two: Message) -> None:
    """Messages with one key are of one kind and one group."""
    if dedup_key(one) == dedup_key(two):
        assert type(one) is type(two)
        assert group(one) == group(two)
    assert dedup_key(one) == dedup_key(decode(encode(one)))


def test_dedup_key_of_leader_orders() -> None:
    """Equal for the same fact in the same shard, whoever saw it when; else another."""
    key = dedup_key(_leader_order())

    assert dedup_key(_leader_order(ts_published=9, fact=fact(ts_seen=1, average_price=None))) == key
    assert dedup_key(_leader_order(shard=1)) != key
    assert dedup_key(_leader_order(product=ProductId("q"))) != key
    assert dedup_key(_leader_order(fact=fact(cum_filled=Decimal("0.5")))) != key


def test_dedup_key_of_follower_updates() -> None:
    """One for each fact and each fill; a trade id alone is not one: OKX counts them by instrument,
    and both sides of a trade of an account with itself share it."""
    told = fact(account=AccountId("follower"))
    updates = [
        _update(),
        _update(execution=execution(trade_id=TradeId("8"))),
        _update(execution=execution(symbol="ETH-USDT-SWAP")),
        _update(execution=execution(venue_order_id=VenueOrderId("2"))),
        _update(account=AccountId("other")),
        _update(venue=Venue.BITGET),
        _update(fact=told),
        _update(fact=told, execution=None),
        _update(fact=msgspec.structs.replace(told, cum_filled=Decimal("0.5")), execution=None),
    ]

    assert len({dedup_key(update) for update in updates}) == len(updates)
    assert dedup_key(_update(execution=execution(client_order_id="c"))) == dedup_key(_update())


@given(equities(), equities())
def test_dedup_key_of_equities(one: Equity, two: Equity) -> None:
    """One for each account and moment."""
    same = (one.account, one.ts_venue) == (two.account, two.ts_venue)

    keys = [dedup_key(EquityUpdate(venue=Venue.OKX, equity=equity)) for equity in (one, two)]

    assert (keys[0] == keys[1]) == same


@given(names, st.integers(0, 9))
def test_groups(name: str, shard: int) -> None:
    """Leader orders are in line by product and shard, an account's updates by account."""
    order = _leader_order(product=ProductId(name), shard=shard)
    update = _update(account=AccountId(name))

    assert group(order) == f"{name}#{shard}"
    assert group(update) == f"account#{name}"
