"""Laws of joining and leaving: what is asked for, and that it is the same whoever asks."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from spider_common.domain.intents import DeskAction
from spider_common.domain.joining import aligning, closing, wanted
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book, Part, part_key
from spider_common.domain.products import CopyMode, Joining, Leaving, Subscription
from tests.desk import follower, product_of

NET = PositionSide.NET
ANA = replace(follower("ana"), since=7)
PRODUCT = product_of(ANA)
BOOKS = {
    "BTC": Book(
        leader={NET: Decimal(3)},
        parts={part_key(ANA.client, NET): Part(target=Decimal(1), planned=Decimal(1))},
    ),
    "ETH": Book(leader={NET: Decimal(-2)}),
    "XRP": Book(leader={NET: Decimal(0)}),
}


@pytest.mark.parametrize(
    ("changes", "product", "action"),
    [
        ({}, {}, None),
        ({"joining": Joining.ALIGN}, {}, DeskAction.ALIGN),
        ({"joining": Joining.ALIGN, "since": 0}, {}, None),
        ({"joining": Joining.ALIGN, "trading": False}, {}, None),
        ({"joining": Joining.ALIGN}, {"trading": False}, None),
        ({"left": True}, {}, None),
        ({"left": True, "joining": Joining.ALIGN}, {}, None),
        ({"left": True, "leaving": Leaving.CLOSE}, {}, DeskAction.CLOSE),
        ({"left": True, "leaving": Leaving.CLOSE, "trading": False}, {}, DeskAction.CLOSE),
    ],
)
def test_what_is_wanted_of_a_subscription(changes: dict, product: dict, action: DeskAction | None) -> None:
    """By its settings: who may not trade yet is brought in line when it may; who leaves, at once."""
    assert wanted(replace(PRODUCT, **product), replace(ANA, **changes)) is action


def test_who_joins_is_aligned_with_all_that_the_leader_holds() -> None:
    """One event for each position, at the price at which the leader has come by it."""
    events = [*aligning(PRODUCT, ANA, BOOKS, {("BTC", NET): Decimal(60_000)})]
    assert [(each.symbol, each.reference) for each in events] == [("BTC", 60_000), ("ETH", None)]
    assert {each.ts_asked for each in events} == {ANA.since}
    again = [*aligning(PRODUCT, ANA, BOOKS, {})]
    assert [each.event_id for each in again] == [each.event_id for each in events]


def test_who_leaves_is_closed_where_it_has_a_part() -> None:
    """And, where resting orders are mirrored, in every instrument that was traded."""

    def of(subscription: Subscription) -> list[str]:
        events = [*closing(PRODUCT, subscription, BOOKS, cause="left", ts=7)]
        assert {each.action for each in events} == {DeskAction.CLOSE}
        return [each.symbol for each in events]

    assert of(ANA) == ["BTC"]
    assert of(replace(ANA, mode=CopyMode.ORDERS)) == ["BTC", "ETH", "XRP"]
