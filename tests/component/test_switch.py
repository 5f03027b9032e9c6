"""Laws of the kill switch in the whole system: what a state lets through, a second after it was set."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.local.seed import PRODUCT
from services.simulator.ledger import Placed
from spider_common.domain.control import TradingState
from spider_common.domain.identifiers import ClientId
from spider_common.domain.journal import JournalRow
from spider_common.domain.reasons import Reason
from spider_common.stores.audit import Author
from spider_common.stores.config_rows import Scope
from tests.oms_rig import ORIGIN
from tests.town import ANA, BRUNO, Town, open_town

BY = Author(who="carla", ts=ORIGIN, from_where="desk-1")


def placed(town: Town) -> tuple[int, int]:
    """How many orders of Ana's and of Bruno's the venue has accepted."""
    accepted = [each.order.account for each in town.venue.exchange.ledger.entries if isinstance(each, Placed)]
    return accepted.count(ANA.account), accepted.count(BRUNO.account)


def reasons(town: Town) -> set[str]:
    """Why copies were not sent, by the journal."""
    docs = [row.doc for row in town.world.table.rows() if row.sk.startswith("journal")]
    rows = [msgspec.json.decode(doc, type=JournalRow) for doc in docs]
    return {intent.reason for row in rows for intent in row.intents} - {""}


@pytest.mark.parametrize("redis_is_down", [False, True])
@pytest.mark.parametrize("scope", [Scope(), Scope(product=PRODUCT), Scope(client=ClientId(ANA.client))])
async def test_a_state_holds_in_every_service_within_a_second(
    scope: Scope, redis_is_down: bool, autojump_clock: MockClock
) -> None:
    """Law: HALTED sends nothing, REDUCING closes only, ACTIVE copies again; whoever is not meant goes on. Two
    order services share the work, so each of them has to know."""
    async with open_town(ANA, BRUNO) as town:
        await town.ingest()
        await town.oms("one")
        await town.oms("two")
        town.trade(1000)
        await trio.sleep(5)
        assert placed(town) == (1, 1)
        town.world.cache.is_down = redis_is_down
        bruno_too = int(scope.client is None)

        async def after(state: TradingState, contracts: int, side: str = "buy") -> tuple[int, int]:
            ana, bruno = placed(town)
            await town.world.config.set_state(state, scope, BY)
            await trio.sleep(1)
            town.trade(contracts, side, reduce_only=side == "sell")
            await trio.sleep(10)
            return placed(town)[0] - ana, placed(town)[1] - bruno

        assert await after(TradingState.HALTED, 100) == (0, 1 - bruno_too)
        assert await after(TradingState.HALTED, 100, "sell") == (0, 1 - bruno_too)
        assert await after(TradingState.REDUCING, 100) == (0, 1 - bruno_too)
        assert await after(TradingState.REDUCING, 200, "sell") == (1, 1)
        assert await after(TradingState.ACTIVE, 100) == (1, 1)
        assert reasons(town) == {Reason.HALTED, Reason.REDUCING_ONLY}
