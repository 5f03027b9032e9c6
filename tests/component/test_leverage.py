"""Leverage before an instrument's first order, at every simulated venue and before a scripted one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from services.oms import leverage
from services.oms.leverage import Leverages
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.intents import Action, Intent
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.reasons import Reason
from spider_common.secret import Credentials, Secret
from spider_common.telemetry.logs import logger
from spider_common.venues.outcomes import (
    Accepted,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    Unsent,
)
from tests.strategies import intent, spot, swap
from tests.venues.bench import DIALECTS, ORIGIN, Bench, Dialect, key, open_bench

KEY = Credentials(Secret("key"), Secret("secret"), Secret("phrase"))
SYMBOL, PAIR = "BTC-USDT-SWAP", "BTC-USDT"


def _wish(**fields: Any) -> Intent:
    """An opening order that wants 5x."""
    return intent(**{"leverage": 5} | fields)


class Settings:
    """A venue that answers each wish as it is told, and accepts what it was told nothing of."""

    def __init__(self) -> None:
        self.answers: list[Outcome] = []
        self.asked: list[tuple[str, str, int, MarginMode]] = []
        self.took_s = 0.1
        self.known_instruments = InstrumentList(
            [
                swap(Venue.OKX, SYMBOL, contract_size="0.01", lot="0.1", minimum="0.1"),
                spot(Venue.OKX, PAIR, lot="0.001"),
            ]
        )

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, factor: int, mode: MarginMode
    ) -> Outcome:
        await trio.sleep(self.took_s)
        self.asked.append((account.account, symbol, factor, mode))
        return self.answers.pop(0) if self.answers else Accepted(None)


class Rig:
    """A process's memory beside its venue."""

    def __init__(self) -> None:
        self.clock, self.venue = TrioClock(ORIGIN), Settings()
        self.lines: list[str] = []
        self.leverages = Leverages(
            clock=self.clock,
            venues={Venue.OKX: self.venue},  # type: ignore[dict-item]  # the part of a venue that is asked
            log=logger("test", self.clock, write=self.lines.append),
        )

    async def ready(self, wish: Intent, within_s: float = 2) -> Accepted | Refused | Unknown:
        until = self.clock.now() + round(within_s * NS_PER_S)
        return await self.leverages.ready(wish, KEY, until=until)


@pytest.fixture
def rig(autojump_clock: MockClock) -> Rig:
    return Rig()


async def test_once_an_instrument_and_account(rig: Rig) -> None:
    """The first order of an account in an instrument sets it; later ones ask nothing and wait for nothing."""
    other = Account(account=AccountId("other"), venue=Venue.OKX)
    for wish in (_wish(), _wish(), _wish(account=other), _wish(symbol="ETH-USDT-SWAP"), _wish()):
        assert await rig.ready(wish) == Accepted(None)

    assert [asked[:2] for asked in rig.venue.asked] == [
        ("follower", SYMBOL),
        ("other", SYMBOL),
        ("follower", "ETH-USDT-SWAP"),
    ]
    assert await rig.ready(_wish(), within_s=-1) == Accepted(None)


async def test_another_wish_is_set_again(rig: Rig) -> None:
    """What an order gets is what its own subscription wants, not what another set before."""
    wishes = [_wish(), _wish(leverage=7), _wish(margin_mode=MarginMode.ISOLATED), _wish()]
    for wish in wishes:
        await rig.ready(wish)

    assert [asked[2:] for asked in rig.venue.asked] == [(wish.leverage, wish.margin_mode) for wish in wishes]


@pytest.mark.parametrize(
    "wish",
    [
        intent(),
        _wish(reduce_only=True),
        _wish(position_side=PositionSide.SHORT),
        _wish(symbol=PAIR),
        _wish(action=Action.AMEND),
        _wish(action=Action.CANCEL),
    ],
    ids=["no wish", "reduces", "closes a leg", "spot", "amend", "cancel"],
)
async def test_what_leverage_does_not_concern(rig: Rig, wish: Intent) -> None:
    """An order without a wish, one that reduces, a spot one and what places nothing go as they are."""
    assert await rig.ready(wish, within_s=-1) == Accepted(None)
    assert rig.venue.asked == []


async def test_proved_refusal_denies_and_is_not_remembered(rig: Rig) -> None:
    """The venue's words are in the log; the next order asks again, for the reason may be gone."""
    rig.venue.answers = [Rejected("59102", "above the highest leverage"), Refused(Reason.NO_CREDENTIALS)]

    assert await rig.ready(_wish()) == Refused(Reason.LEVERAGE_NOT_SET)
    assert "59102 above the highest leverage" in rig.lines[-1]
    assert await rig.ready(_wish()) == Refused(Reason.NO_CREDENTIALS)
    assert await rig.ready(_wish()) == Accepted(None)


async def test_unknown_is_asked_again_while_there_is_time(rig: Rig) -> None:
    """What proves nothing is repeated: lost answers, requests that never left, limits that pass."""
    let_in = rig.clock.now() + NS_PER_S
    rig.venue.answers = [Unknown("lost"), Unsent("nobody listens"), RateLimited(let_in, "too many")]

    assert await rig.ready(_wish()) == Accepted(None)
    assert len(rig.venue.asked) == 4
    assert rig.clock.now() > let_in


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Unknown("lost"), "lost"),
        (RateLimited(ORIGIN + 60 * NS_PER_S, "too many"), "too many"),
        (Accepted(None), "no time was left to set the leverage"),
    ],
)
async def test_time_runs_out(rig: Rig, answer: Outcome, why: str) -> None:
    """It never takes longer than it may, and what is not proved is not remembered as set."""
    rig.venue.answers = [answer] * 20
    if isinstance(answer, Accepted):
        rig.venue.took_s = 3
    begun = rig.clock.now()

    assert await rig.ready(_wish()) == Unknown(why)
    assert rig.clock.now() - begun == pytest.approx(2 * NS_PER_S, rel=0.01)
    rig.venue.answers, rig.venue.took_s = [], 0.1
    asked = len(rig.venue.asked)
    assert await rig.ready(_wish()) == Accepted(None)
    assert len(rig.venue.asked) == asked + 1


async def test_memory_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest is forgotten, and set again when it is wanted again."""
    monkeypatch.setattr(leverage, "REMEMBERED", 2)
    for symbol in ("A", "B", "C", "B", "C", "A"):
        await rig.ready(_wish(symbol=symbol))

    assert [asked[1] for asked in rig.venue.asked] == ["A", "B", "C", "A"]


def _hedged(bench: Bench) -> Account:
    return bench.hedged


def _net(bench: Bench) -> Account:
    return bench.net


@pytest.mark.parametrize("owner", [_net, _hedged])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)
async def test_at_the_venue(
    autojump_clock: MockClock, dialect: Dialect, owner: Callable[[Bench], Account]
) -> None:
    """In net and in hedge mode the venue has the leverage before the order; more than it gives is refused."""
    async with open_bench(dialect) as bench:
        account, lines = owner(bench), list[str]()
        held = bench.venue.exchange.accounts[account.account]
        log = logger("test", bench.clock, write=lines.append)
        leverages = Leverages(clock=bench.clock, venues={dialect.venue: bench.client}, log=log)
        wish = _wish(
            account=account,
            symbol=bench.symbol,
            position_side=PositionSide.LONG if account.hedge_mode else PositionSide.NET,
            size=bench.size,
            quantity=Decimal("0.01"),
            leverage=7,
        )

        async def ready(factor: int) -> Outcome:
            until = bench.clock.now() + 5 * NS_PER_S
            return await leverages.ready(replace(wish, leverage=factor), key(account.account), until=until)

        assert await ready(7) == Accepted(None)
        assert held.leverage_of(bench.symbol) == 7
        assert isinstance(await bench.place(wish.request), Accepted)
        assert await ready(1_000) == Refused(Reason.LEVERAGE_NOT_SET)
        assert held.leverage_of(bench.symbol) == 7
        assert await ready(9) == Accepted(None)  # beside an open position
        assert held.leverage_of(bench.symbol) == 9
