"""What counts as seen of a scene."""

import random
from decimal import Decimal

import msgspec
import pytest

from services.local.cast import DELTA, EPSILON, seed_story, share_of
from services.local.scenes import (
    Holds,
    Recorded,
    Scene,
    SetAside,
    Stage,
    Traded,
    View,
    held,
    play_scene,
)
from services.local.seed import ONE_VENUE
from services.local.story import story
from services.simulator.ledger import Canceled, Executed, Execution, Order, Placed
from spider_common.domain.follower_orders import follower_order
from spider_common.domain.identifiers import AccountId
from spider_common.domain.orders import CopyState
from spider_common.domain.reasons import Reason
from tests.strategies import intent, journal_row

ROSA = AccountId("okx-rosa")
SOL = "SOL-USDT-SWAP"
ORDER = Order(
    order_id="1",
    client_order_id="a",
    account=ROSA,
    symbol=SOL,
    side="buy",
    leg="net",
    kind="limit",
    size=Decimal(5),
    price=Decimal(140),
    reduce_only=False,
    ts_created=1,
    ts_updated=1,
)
TRADED = Traded(who=ROSA, symbol=SOL, verb="placed", side="buy", size=Decimal(5), price=Decimal(140))


def placed(**other):
    return View(entries=[Placed(seq=0, ts=1, order=msgspec.structs.replace(ORDER, **other))])


def executed(size, status, **other):
    fill = Execution(
        trade_id="1", price=Decimal(1), size=size, fee=Decimal(0), fee_currency="USDT", pnl=Decimal(0),
        maker=False, ts=1,
    )  # fmt: skip
    order = msgspec.structs.replace(ORDER, status=status, filled=size, last=fill, **other)
    return Executed(seq=1, ts=1, order=order)


def test_an_order_is_seen_when_the_ledger_has_it():
    assert TRADED.seen(placed())
    assert msgspec.structs.replace(TRADED, price=None).seen(placed(price=Decimal(1)))
    assert not TRADED.seen(View())


@pytest.mark.parametrize(
    "other",
    [
        {"account": "okx-ana"},
        {"symbol": "ETH-USDT-SWAP"},
        {"side": "sell"},
        {"size": Decimal(4)},
        {"price": Decimal(141)},
    ],
)
def test_another_order_is_not_taken_for_it(other):
    """Law: whatever the sight names has to be so."""
    assert not TRADED.seen(placed(**other))


def test_a_conditional_order_is_seen_by_what_it_has_set_off():
    own = msgspec.structs.replace(TRADED, conditional=True)
    assert not own.seen(placed())
    assert own.seen(placed(parent="9"))


def test_an_order_is_filled_by_its_last_execution():
    """Law: neither a part of it nor what was taken back is its fill."""
    filled = msgspec.structs.replace(TRADED, verb="filled")
    assert not filled.seen(View(entries=[executed(Decimal(2), "partially_filled")]))
    assert not filled.seen(View(entries=[Canceled(seq=1, ts=1, order=ORDER)]))
    assert filled.seen(View(entries=[executed(Decimal(5), "filled")]))


def test_what_is_held_is_the_sum_of_executions():
    entries = [
        executed(Decimal(5), "filled"),
        executed(Decimal(2), "filled", side="sell"),
        Placed(seq=2, ts=1, order=ORDER),
    ]
    view = View(held=held(entries))
    assert Holds(who=ROSA, symbol=SOL, size=Decimal(3)).seen(view)
    assert not Holds(who=ROSA, symbol=SOL, size=Decimal(5)).seen(view)
    assert Holds(who=ROSA, symbol="ETH-USDT-SWAP", size=Decimal(0)).seen(view)


def test_a_denial_is_seen_with_its_code():
    """Law: an order of another account, in another state, or with another reason is not it."""
    made = intent(state=CopyState.DENIED, reason=Reason.HALTED)
    view = View(orders=[follower_order(journal_row(made), made, 1)])
    denied = Recorded(
        who=made.account.account, venue=made.account.venue, state=made.state, reason=Reason.HALTED
    )
    assert denied.seen(view)
    assert msgspec.structs.replace(denied, leg=made.leg).seen(view)
    for other in (
        {"who": AccountId("okx-ana")},
        {"state": CopyState.SKIPPED},
        {"reason": Reason.TRADING_OFF},
        {"reason": None},
        {"trigger": Decimal(100)},
    ):
        assert not msgspec.structs.replace(denied, **other).seen(view)


def test_a_dead_letter_is_seen_by_its_reason():
    view = View(letters=["event.product: 'epsilon' is not configured; add it or drop the event"])
    assert SetAside("'epsilon' is not configured").seen(view)
    assert not SetAside("unreadable").seen(view)


async def test_what_is_not_seen_in_time_is_missing(autojump_clock):
    """Law: a scene ends by itself, and what was seen of it is told apart from what was not."""

    class Blind(Stage):
        def __init__(self):
            self.done = []

        async def view(self, sights, began):
            return placed()

    async def act(stage):
        stage.done.append("acted")

    other = msgspec.structs.replace(TRADED, size=Decimal(4))
    scene = Scene(name="one", did="buys", acts=[act], sights=[TRADED, other])
    stage = Blind()
    outcome = await play_scene(scene, stage, within_s=3)
    assert stage.done == ["acted"]
    assert not outcome.ok
    assert outcome.seen == {ROSA: ["placed buy 5 at 140"]}
    assert outcome.missing == {ROSA: ["placed buy 4 at 140"]}
    assert 3 <= outcome.seconds < 4


def test_each_scene_asks_for_something_that_was_not_there():
    """Law: no scene is seen where nothing has happened, so each can fail."""
    _, late = seed_story(random.Random(1), ())
    before = View(held={(each.account, SOL): Decimal(7) for each in DELTA.followers})
    for scene in story(late):
        assert not all(sight.seen(before) for sight in scene.sights), scene.name


def test_the_late_product_is_not_in_the_seed():
    """Law: its followers have accounts and keys from the beginning, its leader has no keys at all."""
    seed, late = seed_story(random.Random(1), ONE_VENUE)
    assert [each.product for each in seed.products] == ["alpha", "delta"]
    assert late.product == EPSILON.product
    assert EPSILON.leader not in seed.credentials
    assert {each.account for each in EPSILON.followers} < set(seed.credentials)


def test_a_share_is_whole_lots_of_the_followers_venue():
    rosa, saul, *_ = DELTA.followers
    assert share_of(rosa, "0.1", "SOL") == Decimal("0.05")
    assert share_of(saul, "2.5", "SOL") == Decimal("0.7")
    assert share_of(saul, "-2.5", "SOL") == Decimal("-0.7")
