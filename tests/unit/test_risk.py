"""The limits of risk, and what they never do."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from spider_common.domain import risk
from spider_common.domain.held import AccountPositions, Held
from spider_common.domain.identifiers import AccountId, ClientId, Venue
from spider_common.domain.instruments import InstrumentKind, Mark
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import Account, Equity, FixedRatio, Limits, Subscription
from spider_common.domain.reasons import WORDS, Reason
from spider_common.domain.risk import Proposal
from spider_common.domain.standing import DAY, Standing, Worth
from tests.strategies import TS, spot, swap

NOW = TS - TS % DAY + DAY // 2
FOLLOWER = AccountId("follower")
SWAP = swap(Venue.OKX, "BTC-USDT-SWAP", contract_size="0.01", lot="0.1", minimum="0.1")
PAIR = spot(Venue.OKX, "BTC-USDT", lot="0.001")
FACTS = {
    Reason.MARK_UNKNOWN,
    Reason.PRICE_UNKNOWN,
    Reason.POSITIONS_UNKNOWN,
    Reason.OPEN_ORDERS_UNKNOWN,
    Reason.EQUITY_UNKNOWN,
    Reason.EQUITY_STALE,
    Reason.EQUITY_CURRENCY,
}
"""What a limit says that cannot be checked."""

NO_LIMITS = Limits()
counts = st.integers(0, 1_000).map(Decimal)
prices = st.integers(1, 1_000).map(Decimal)
signed = st.integers(-1_000, 1_000).map(Decimal)
sides = st.sampled_from(PositionSide)
names = st.lists(
    st.sampled_from(["BTC", "ETH", "BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"]), max_size=3
).map(tuple)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _holds(
    told: Mapping[str, Mapping[PositionSide, Decimal]], whole: Mapping[InstrumentKind, int]
) -> AccountPositions:
    positions = {
        symbol: {side: Held(ts=NOW, quantity=quantity) for side, quantity in held.items()}
        for symbol, held in told.items()
    }
    return AccountPositions(positions=positions, whole=whole)


def _times(positions: AccountPositions, times: Decimal) -> AccountPositions:
    """The same account so many times as large."""
    told = {
        symbol: {side: held.quantity * times for side, held in sides.items()}
        for symbol, sides in positions.positions.items()
    }
    return _holds(told, positions.whole)


def _equity(worth: Decimal | int, ts: int = NOW, currency: str = "USDT") -> Equity:
    return Equity(account=FOLLOWER, equity=Decimal(worth), currency=currency, ts_venue=ts)


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    """Any order, its fields independent of each other; marks fresh, old or missing."""
    instrument = draw(st.sampled_from([SWAP, PAIR]))
    price, age = draw(_maybe(prices)), draw(st.sampled_from([0, 0, 0, risk.MARK_AGE, risk.MARK_AGE + 1]))
    mark = None if price is None else Mark(symbol=instrument.symbol, price=price, ts_venue=NOW - age)
    return Proposal(
        instrument=instrument,
        position_side=draw(sides),
        quantity=draw(signed),
        after=draw(signed),
        reduce_only=draw(st.booleans()),
        rests=draw(st.booleans()),
        price=draw(_maybe(prices)),
        mark=mark,
    )


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    """Any standing, with facts missing or old."""
    worth = None
    if draw(st.booleans()):
        age = draw(st.sampled_from([0, 0, 0, risk.EQUITY_AGE, risk.EQUITY_AGE + 1]))
        currency = draw(st.sampled_from(["USDT", "USDT", "EUR"]))
        latest, opening = (_equity(draw(signed), NOW - age, currency) for _ in range(2))
        peak = max(latest.equity, opening.equity) + draw(counts)
        worth = Worth(latest=latest, opening=opening, peak=peak)
    told = draw(st.dictionaries(st.sampled_from([SWAP.symbol, PAIR.symbol]), st.dictionaries(sides, signed)))
    ages = st.sampled_from([0, 0, 0, risk.POSITIONS_AGE, risk.POSITIONS_AGE + 1])
    swept = draw(st.dictionaries(st.sampled_from(InstrumentKind), ages))
    return Standing(
        worth=worth,
        positions=_holds(told, {kind: NOW - age for kind, age in swept.items()}),
        notional=draw(_maybe(counts)),
        open_orders=draw(_maybe(st.integers(0, 5))),
    )


limits = st.builds(
    Limits,
    max_order_notional=_maybe(counts.map(lambda count: count * 500)),
    max_position_notional=_maybe(counts.map(lambda count: count * 500)),
    max_leverage=_maybe(counts),
    max_open_orders=_maybe(st.integers(0, 5)),
    max_daily_loss=_maybe(counts),
    max_drawdown=_maybe(st.integers(0, 100).map(lambda percent: Decimal(percent) / 100)),
    fat_finger_bps=_maybe(counts.map(lambda count: count * 20)),
    allow=names,
    deny=names,
)


def _follows(own: Limits, of_client: Limits) -> Subscription:
    return Subscription(
        client=ClientId("alice"),
        account=Account(account=FOLLOWER, venue=Venue.OKX),
        sizing=FixedRatio(Decimal(1)),
        limits=own,
        client_limits=of_client,
    )


def _deny(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits = NO_LIMITS
) -> Reason | None:
    return risk.deny(proposal, _follows(own, of_client), standing, NOW)


def _order(**fields: Any) -> Proposal:
    """A buy of 2 at 100, with nothing held before, marked at 100, with `fields` in place of its own."""
    given: dict[str, Any] = {
        "instrument": SWAP,
        "position_side": PositionSide.NET,
        "quantity": Decimal(2),
        "after": Decimal(2),
        "price": Decimal(100),
        "mark": Mark(symbol=SWAP.symbol, price=Decimal(100), ts_venue=NOW),
    }
    return Proposal(**given | fields)


KNOWN = Standing(
    worth=Worth(latest=_equity(900), opening=_equity(1_000, NOW - 1), peak=Decimal(1_200)),
    positions=_holds({}, {InstrumentKind.SWAP: NOW, InstrumentKind.SPOT: NOW}),
    notional=Decimal(500),
    open_orders=3,
)


@given(proposals(), standings())
def test_no_limits_deny_nothing(proposal: Proposal, standing: Standing) -> None:
    """Without limits an order is opened, whatever is known or not known."""
    assert _deny(proposal, standing, NO_LIMITS) is None


@given(proposals(), standings(), limits, limits)
def test_what_reduces_is_never_denied(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits
) -> None:
    """A reduce-only order goes, and so does one that leaves less of the same side or nothing."""
    assert _deny(replace(proposal, reduce_only=True), standing, own, of_client) is None
    closes = replace(proposal, after=-proposal.after if proposal.opened else proposal.after)
    assert _deny(closes, standing, own, of_client) is None


@given(proposals(), standings(), limits, limits)
def test_all_limits_hold_at_once(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits
) -> None:
    """An order is denied exactly when one limit by itself denies it, whichever is looked at first."""
    alone: list[Reason] = []
    for field, value in _fields(own).items():
        reason = _deny(proposal, standing, Limits(**{field: value}))
        alone += [] if reason is None else [reason]
    for field, value in _fields(of_client).items():
        reason = _deny(proposal, standing, NO_LIMITS, Limits(**{field: value}))
        alone += [] if reason is None else [reason]
    together = _deny(proposal, standing, own, of_client)

    assert (together is None) == (not alone)
    assert together is None or together in alone


@given(proposals(), standings(), limits, limits, st.booleans())
def test_tighter_limits_never_allow_more(
    proposal: Proposal, standing: Standing, loose: Limits, other: Limits, of_client: bool
) -> None:
    """What is denied stays denied when a limit is lowered, set or narrowed."""
    tight = _tightest(loose, other)
    assume(not loose.allow or not other.allow or tight.allow)  # no `allow` allows all: that is not tighter

    def denied(bounds: Limits) -> Reason | None:
        return _deny(proposal, standing, *((NO_LIMITS, bounds) if of_client else (bounds,)))

    if denied(loose) is not None:
        assert denied(tight) is not None


@given(proposals(), standings(), limits, limits, st.sampled_from([Decimal(1000), Decimal("0.001")]))
def test_the_unit_of_money_does_not_matter(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits, times: Decimal
) -> None:
    """With every price, equity and limit of money counted in another unit the answer is the same."""
    mark, price, worth = proposal.mark, proposal.price, standing.worth
    scaled = replace(
        proposal,
        mark=mark and replace(mark, price=mark.price * times),
        price=price and price * times,
    )
    stands = replace(
        standing,
        notional=None if standing.notional is None else standing.notional * times,
        worth=worth
        and Worth(
            latest=replace(worth.latest, equity=worth.latest.equity * times),
            opening=replace(worth.opening, equity=worth.opening.equity * times),
            peak=worth.peak * times,
        ),
    )
    money = ("max_order_notional", "max_position_notional", "max_daily_loss")

    assert _deny(scaled, stands, _scaled(own, times, money), _scaled(of_client, times, money)) == _deny(
        proposal, standing, own, of_client
    )


@given(proposals(), standings(), limits, limits, st.sampled_from([Decimal(1000), Decimal("0.001")]))
def test_all_sizes_scale_alike(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits, times: Decimal
) -> None:
    """An account so many times as large, with orders and limits to match, gets the same answer."""
    worth = standing.worth
    scaled = replace(proposal, quantity=proposal.quantity * times, after=proposal.after * times)
    stands = replace(
        standing,
        positions=_times(standing.positions, times),
        notional=None if standing.notional is None else standing.notional * times,
        worth=worth
        and Worth(
            latest=replace(worth.latest, equity=worth.latest.equity * times),
            opening=replace(worth.opening, equity=worth.opening.equity * times),
            peak=worth.peak * times,
        ),
    )
    money = ("max_order_notional", "max_position_notional", "max_daily_loss")

    assert _deny(scaled, stands, _scaled(own, times, money), _scaled(of_client, times, money)) == _deny(
        proposal, standing, own, of_client
    )


@given(proposals(), standings(), limits, limits)
def test_both_sides_are_alike(proposal: Proposal, standing: Standing, own: Limits, of_client: Limits) -> None:
    """Sold short it is as it is bought long: no limit prefers a side."""
    assume(proposal.position_side is PositionSide.NET)
    mirrored = replace(proposal, quantity=-proposal.quantity, after=-proposal.after)
    stands = replace(standing, positions=_times(standing.positions, Decimal(-1)))

    assert _deny(mirrored, stands, own, of_client) == _deny(proposal, standing, own, of_client)


@given(proposals(), standings(), limits, limits, st.integers(0, 1_000).map(Decimal))
def test_an_amendment_to_less_is_held_to_its_price(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits, more: Decimal
) -> None:
    """Who makes an order no larger adds nothing that a limit could forbid, but the price is looked at."""
    before = replace(proposal, replaces=proposal.quantity + more.copy_sign(proposal.quantity))
    priced = [Limits(fat_finger_bps=each.fat_finger_bps) for each in (own, of_client)]

    assert _deny(before, standing, own, of_client) == _deny(proposal, standing, *priced)
    larger = replace(proposal, replaces=proposal.quantity / 2)
    assert _deny(larger, standing, own, of_client) == _deny(proposal, standing, own, of_client)


@given(proposals(), limits)
@example(_order(), Limits(max_leverage=Decimal(5)))
def test_what_cannot_be_checked_denies(proposal: Proposal, own: Limits) -> None:
    """With nothing known of the account or the market, nothing that adds to the position passes a limit."""
    bare = replace(proposal, mark=None, price=None)
    unchecked = [
        own.fat_finger_bps,
        own.max_order_notional,
        own.max_position_notional,
        own.max_daily_loss,
        own.max_drawdown,
        None if proposal.instrument is PAIR else own.max_leverage,
        own.max_open_orders if proposal.rests else None,
    ]
    assume(proposal.opened and any(each is not None for each in unchecked))

    assert _deny(bare, Standing(), replace(own, allow=(), deny=())) in FACTS


@given(proposals(), standings(), limits, limits)
def test_what_is_not_needed_is_not_looked_at(
    proposal: Proposal, standing: Standing, own: Limits, of_client: Limits
) -> None:
    """What `needs` does not name may be unknown: the answer is the same."""
    need = risk.needs(_follows(own, of_client))
    bare = Standing(
        worth=standing.worth if "worth" in need else None,
        positions=standing.positions if "positions" in need else AccountPositions(),
        notional=standing.notional if "positions" in need else None,
        open_orders=standing.open_orders if "open_orders" in need else None,
    )
    unmarked = proposal if "marks" in need else replace(proposal, mark=None)

    assert _deny(unmarked, bare, own, of_client) == _deny(proposal, standing, own, of_client)


@pytest.mark.parametrize(
    ("bounds", "order", "reason"),
    [
        ({"deny": ("BTC",)}, {}, Reason.INSTRUMENT_DENIED),
        ({"deny": ("BTC/USDT:USDT",)}, {}, Reason.INSTRUMENT_DENIED),
        ({"deny": ("BTC/USDT",)}, {}, None),
        ({"deny": ("BTC/USDT",)}, {"instrument": PAIR}, Reason.INSTRUMENT_DENIED),
        ({"deny": ("ETH",)}, {}, None),
        ({"allow": ("ETH", "BTC")}, {}, None),
        ({"allow": ("ETH",)}, {}, Reason.INSTRUMENT_DENIED),
        ({"allow": ("BTC",), "deny": ("BTC/USDT:USDT",)}, {}, Reason.INSTRUMENT_DENIED),
        ({"fat_finger_bps": Decimal(100)}, {"price": Decimal(101)}, None),
        ({"fat_finger_bps": Decimal(100)}, {"price": Decimal("101.01")}, Reason.FAT_FINGER),
        ({"fat_finger_bps": Decimal(100)}, {"price": Decimal("98.99"), "rests": True}, Reason.FAT_FINGER),
        ({"fat_finger_bps": Decimal(100)}, {"price": None}, Reason.PRICE_UNKNOWN),
        ({"fat_finger_bps": Decimal(100)}, {"mark": None}, Reason.MARK_UNKNOWN),
        ({"max_order_notional": Decimal(200)}, {}, None),
        ({"max_order_notional": Decimal(199)}, {}, Reason.MAX_ORDER_NOTIONAL),
        ({"max_order_notional": Decimal(199)}, {"price": Decimal(1)}, Reason.MAX_ORDER_NOTIONAL),
        ({"max_order_notional": Decimal(200)}, {"mark": None}, Reason.MARK_UNKNOWN),
        ({"max_position_notional": Decimal(500)}, {"after": Decimal(5)}, None),
        ({"max_position_notional": Decimal(499)}, {"after": Decimal(5)}, Reason.MAX_POSITION_NOTIONAL),
        ({"max_open_orders": 4}, {"rests": True}, None),
        ({"max_open_orders": 3}, {"rests": True}, Reason.MAX_OPEN_ORDERS),
        ({"max_open_orders": 0}, {}, None),
        ({"max_leverage": Decimal("0.8")}, {}, None),
        ({"max_leverage": Decimal("0.7")}, {}, Reason.MAX_LEVERAGE),
        ({"max_leverage": Decimal("0.7")}, {"after": Decimal(1)}, None),
        ({"max_leverage": Decimal(0)}, {"instrument": PAIR}, None),
        ({"max_daily_loss": Decimal(100)}, {}, None),
        ({"max_daily_loss": Decimal(99)}, {}, Reason.DAILY_LOSS),
        ({"max_drawdown": Decimal("0.25")}, {}, None),
        ({"max_drawdown": Decimal("0.24")}, {}, Reason.DRAWDOWN),
    ],
)
def test_each_limit(bounds: Mapping[str, Any], order: Mapping[str, Any], reason: Reason | None) -> None:
    """What reaches a limit passes, what goes beyond it is denied with the limit's own code."""
    assert _deny(_order(**order), KNOWN, Limits(**bounds)) is reason
    assert _deny(_order(**order), KNOWN, NO_LIMITS, Limits(**bounds)) is reason


@pytest.mark.parametrize(
    ("bounds", "known", "reason"),
    [
        ({"max_leverage": Decimal(9)}, {"worth": None}, Reason.EQUITY_UNKNOWN),
        ({"max_leverage": Decimal(9)}, {"notional": None}, Reason.POSITIONS_UNKNOWN),
        ({"max_daily_loss": Decimal(9)}, {"worth": Worth.of(_equity(1, 0))}, Reason.EQUITY_STALE),
        ({"max_leverage": Decimal(9)}, {"worth": Worth.of(_equity(900, NOW, "EUR"))}, Reason.EQUITY_CURRENCY),
        ({"max_leverage": Decimal(9)}, {"worth": Worth.of(_equity(900, NOW, "USD"))}, None),
        ({"max_leverage": Decimal(9)}, {"worth": Worth.of(_equity(0))}, Reason.MAX_LEVERAGE),
        ({"max_drawdown": Decimal(1)}, {"worth": Worth.of(_equity(-5))}, Reason.DRAWDOWN),
    ],
)
def test_what_is_known_of_the_account(
    bounds: Mapping[str, Any], known: Mapping[str, Any], reason: Reason | None
) -> None:
    """A missing, old or incomparable fact has its own code; an account worth nothing opens nothing."""
    assert _deny(_order(), replace(KNOWN, **known), Limits(**bounds)) is reason


def test_a_client_is_held_to_its_whole_position() -> None:
    """The subscription's limit counts its own part; the client's what the account holds beside it too."""
    bounds = Limits(max_position_notional=Decimal(500))
    swept = {InstrumentKind.SWAP: NOW}
    for held, reason in ((3, None), (4, Reason.MAX_POSITION_NOTIONAL), (-9, Reason.MAX_POSITION_NOTIONAL)):
        told = {SWAP.symbol: {PositionSide.NET: Decimal(held)}}
        stands = replace(KNOWN, positions=_holds(told, swept))
        assert _deny(_order(), stands, bounds) is None
        assert _deny(_order(), stands, NO_LIMITS, bounds) is reason

    unseen = _order(after=Decimal(6))  # its orders before this one do not show in the positions yet
    assert _deny(unseen, KNOWN, NO_LIMITS, bounds) is Reason.MAX_POSITION_NOTIONAL
    for unknown in (AccountPositions(), _holds(told, {InstrumentKind.SWAP: NOW - risk.POSITIONS_AGE - 1})):
        stands = replace(KNOWN, positions=unknown)
        assert _deny(_order(), stands, NO_LIMITS, bounds) is Reason.POSITIONS_UNKNOWN


def test_the_order_of_checks() -> None:
    """Of all that is wrong, what the order says of itself comes first, and stops of the account last."""
    bounds = {
        "deny": ("BTC",),
        "fat_finger_bps": Decimal(0),
        "max_order_notional": Decimal(0),
        "max_position_notional": Decimal(0),
        "max_open_orders": 0,
        "max_leverage": Decimal(0),
        "max_daily_loss": Decimal(0),
        "max_drawdown": Decimal(0),
    }
    order, told = _order(price=Decimal(99), rests=True), list[Reason | None]()
    while bounds:
        told.append(_deny(order, KNOWN, Limits(**bounds)))  # type: ignore[arg-type]  # of all fields' types
        bounds.pop(next(iter(bounds)))

    assert told == [
        Reason.INSTRUMENT_DENIED,
        Reason.FAT_FINGER,
        Reason.MAX_ORDER_NOTIONAL,
        Reason.MAX_POSITION_NOTIONAL,
        Reason.MAX_OPEN_ORDERS,
        Reason.MAX_LEVERAGE,
        Reason.DAILY_LOSS,
        Reason.DRAWDOWN,
    ]
    assert len(told) == len(risk.CHECKS)
    assert set(told) <= set(WORDS)


def _fields(bounds: Limits) -> dict[str, Any]:
    """The limits that are set, by name."""
    return {
        field: getattr(bounds, field)
        for field in bounds.__struct_fields__
        if getattr(bounds, field) not in (None, ())
    }


def _scaled(bounds: Limits, times: Decimal, fields: tuple[str, ...]) -> Limits:
    return replace(
        bounds,
        **{field: value * times for field in fields if (value := getattr(bounds, field)) is not None},
    )


def _tightest(one: Limits, two: Limits) -> Limits:
    """Limits that keep to both."""
    numbers = [field for field in one.__struct_fields__ if field not in ("allow", "deny")]
    tight = {
        field: min(
            (value for value in (getattr(one, field), getattr(two, field)) if value is not None), default=None
        )
        for field in numbers
    }
    allow = one.allow or two.allow
    if one.allow and two.allow:
        allow = tuple(sorted({*one.allow} & {*two.allow}))
    return Limits(**tight, allow=allow, deny=one.deny + two.deny)
