"""Every copy that was not made has its reason in the journal, and nothing was made that is not there."""

from decimal import Decimal

import msgspec
import pytest

from services.local.explain import executed, explain
from services.local.seed import Follower, Team
from services.simulator.accounts import Credentials
from services.simulator.engine import Exchange
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.rules import NewOrder
from spider_common.domain.identifiers import ClientOrderId, ProductId, Venue, VenueOrderId
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState
from spider_common.domain.products import FixedRatio
from tests.strategies import altered, fact, intent, journal_row

BTC = "BTC-USDT-SWAP"
ANA = Follower(client="alice", sizing=FixedRatio(Decimal(1)), deposit=Decimal(10_000))
TEAM = Team(product=ProductId("p"), venue=Venue.OKX, followers=(ANA,))


class Market:
    """OKX, where the leader and a follower trade by hand."""

    def __init__(self) -> None:
        self.exchange = Exchange(OKX_INSTRUMENTS)
        for name in (TEAM.leader, ANA.account):
            key = Credentials(name, "s", "p")
            self.exchange.open_account(name, key, balances={"USDT": Decimal(10) ** 9})

    def buy(self, account: str, client_order_id: str = "", contracts: int = 100) -> str:
        """Buys at the market (100 contracts are 1 BTC); gives the venue's order id."""
        order = NewOrder(
            symbol=BTC,
            side="buy",
            kind="market",
            size=Decimal(contracts),
            client_order_id=client_order_id,
        )
        return self.exchange.place(self.exchange.accounts[account], order, 0).order_id

    @property
    def ledgers(self):
        return {Venue.OKX: self.exchange.ledger.entries}


def row(leader_order: str, *, filled: str = "1", **fields: object) -> JournalRow:
    """The plan of a leader order's fill: an order of Ana's, with `fields` in place of its own."""
    planned = journal_row(intent(**fields))
    told = altered(fact(), venue_order_id=VenueOrderId(leader_order), cum_filled=Decimal(filled))
    return msgspec.structs.replace(planned, event=msgspec.structs.replace(planned.event, fact=told))


def test_a_copy_that_the_venue_has_is_copied():
    """Law: an order of the plan in the follower's ledger explains the leader's fill, by whatever state."""
    market = Market()
    leader_order = market.buy(TEAM.leader)
    market.buy(ANA.account, "c1")
    for state in (CopyState.ACCEPTED, CopyState.IN_DOUBT):
        told = explain(market.ledgers, [TEAM], [row(leader_order, state=state)])
        assert (told.copied, told.reasons, told.unexplained) == (1, {}, ())


@pytest.mark.parametrize("state", [CopyState.SKIPPED, CopyState.DENIED, CopyState.REJECTED])
def test_a_copy_that_was_not_made_has_its_reason(state):
    """Law: skipped, denied and rejected explain themselves by state and reason; nothing does without one."""
    market = Market()
    leader_order = market.buy(TEAM.leader)
    told = explain(market.ledgers, [TEAM], [row(leader_order, state=state, reason="because")])
    assert (told.copied, told.reasons, told.unexplained) == (0, {f"{state} because": 1}, ())
    (unexplained,) = explain(market.ledgers, [TEAM], [row(leader_order, state=state)]).unexplained
    assert f"c1 is {state}" in unexplained


@pytest.mark.parametrize("state", [CopyState.PLANNED, CopyState.ACCEPTED, CopyState.IN_DOUBT, CopyState.HELD])
def test_an_order_that_the_venue_does_not_have_is_unexplained(state):
    """Law: what we say of an order counts for nothing where its venue has none."""
    market = Market()
    leader_order = market.buy(TEAM.leader)
    told = explain(market.ledgers, [TEAM], [row(leader_order, state=state)])
    assert told.copied == 0
    assert len(told.unexplained) == 1


def test_a_fill_without_a_plan_is_unexplained():
    """Law: a later fact of the same order explains an earlier fill, an earlier one or another's does not."""
    market = Market()
    leader_order, other = market.buy(TEAM.leader), market.buy(TEAM.leader)
    market.buy(ANA.account, "c1")
    placed = {"state": CopyState.ACCEPTED}
    assert len(explain(market.ledgers, [TEAM], []).unexplained) == 3  # the two, and Ana's order
    for rows in (
        [row(leader_order, filled="0.5", **placed)],
        [row("elsewhere", filled="1", **placed)],
    ):
        assert explain(market.ledgers, [TEAM], rows).copied == 0
    both = [row(leader_order, filled="2", **placed), row(other, **placed)]
    assert explain(market.ledgers, [TEAM], both).unexplained == ()


def test_an_order_that_is_in_no_plan_is_named():
    """Law: nothing reaches a follower's account but by the journal."""
    market = Market()
    leader_order = market.buy(TEAM.leader)
    market.buy(ANA.account, "c1")
    market.buy(ANA.account, "stray")
    rows = [row(leader_order, state=CopyState.ACCEPTED, client_order_id=ClientOrderId("c1"))]
    (named,) = explain(market.ledgers, [TEAM], rows).unexplained
    assert named == f"order stray of {ANA.account} is in no plan"


def test_what_was_executed_is_added_up_by_client_and_symbol():
    """Law: contracts become base quantity, signed; leaders are not counted."""
    market = Market()
    market.buy(TEAM.leader)
    market.buy(ANA.account, "a", contracts=30)
    market.buy(ANA.account, "b", contracts=40)
    assert executed(market.ledgers, [TEAM]) == {("alice", BTC): Decimal("0.7")}
