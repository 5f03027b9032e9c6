"""Leverage before an instrument's first order, at every simulated venue and before a scripted one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from services.oms import leverage
from services.oms.intake import Handled
from services.oms.leverage import Leverages
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.intents import Action, Intent
from spider_common.domain.orders import CopyState, PositionSide
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
from tests.oms_rig import Rig, Worker
from tests.scripted import ScriptedVenue
from tests.strategies import intent, spot, swap
from tests.venues.bench import DIALECTS, ORIGIN, Bench, Dialect, key, open_bench

KEY = Credentials(Secret("key"), Secret("secret"), Secret("phrase"))
SYMBOL, PAIR = "BTC-USDT-SWAP", "BTC-USDT"


def _wish(**fields: Any) -> Intent:
    """An opening order that wants 5x."""
    return intent(**{"leverage": 5} | fields)


class Process:
    """A process's memory beside its venue."""

    def __init__(self) -> None:
        self.clock, self.lines = TrioClock(ORIGIN), list[str]()
        listed = [
            swap(Venue.OKX, SYMBOL, contract_size="0.01", lot="0.1", minimum="0.1"),
            spot(Venue.OKX, PAIR, lot="0.001"),
        ]
        self.venue = ScriptedVenue(self.clock, listed, [])
        log = logger("test", self.clock, write=self.lines.append)
        self.leverages = Leverages(clock=self.clock, venues={Venue.OKX: self.venue}, log=log)

    async def ready(self, wish: Intent, within_s: float = 2) -> Accepted | Refused | Unknown:
        until = self.clock.now() + round(within_s * NS_PER_S)
        return await self.leverages.ready(wish, KEY, until=until)


@pytest.fixture
def process(autojump_clock: MockClock) -> Process:
    return Process()


async def test_once_an_instrument_and_account(process: Process) -> None:
    """The first order of an account in an instrument sets it; later ones ask nothing and wait for nothing."""
    other = Account(account=AccountId("other"), venue=Venue.OKX)
    for wish in (_wish(), _wish(), _wish(account=other), _wish(symbol="ETH-USDT-SWAP"), _wish()):
        assert await process.ready(wish) == Accepted(None)

    assert [asked[:2] for asked in process.venue.leverages] == [
        ("follower", SYMBOL),
        ("other", SYMBOL),
        ("follower", "ETH-USDT-SWAP"),
    ]
    assert await process.ready(_wish(), within_s=-1) == Accepted(None)
    unknown = await process.ready(_wish(symbol="SOL-USDT-SWAP"), within_s=-1)
    assert unknown == Unknown("no time was left to set the leverage")


async def test_another_wish_is_set_again(process: Process) -> None:
    """What an order gets is what its own subscription wants, not what another set before."""
    wishes = [_wish(), _wish(leverage=7), _wish(margin_mode=MarginMode.ISOLATED), _wish()]
    for wish in wishes:
        await process.ready(wish)

    assert [asked[2:] for asked in process.venue.leverages] == [
        (wish.leverage, wish.margin_mode) for wish in wishes
    ]


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
async def test_what_leverage_does_not_concern(process: Process, wish: Intent) -> None:
    """An order without a wish, one that reduces, a spot one and what places nothing go as they are."""
    assert await process.ready(wish, within_s=-1) == Accepted(None)
    assert process.venue.leverages == []


async def test_proved_refusal_denies_and_is_not_remembered(process: Process) -> None:
    """The venue's words are in the log; the next order asks again, for the reason may be gone."""
    process.venue.leverage_replies.extend(
        [Rejected("59102", "above the highest leverage"), Refused(Reason.NO_CREDENTIALS)]
    )

    assert await process.ready(_wish()) == Refused(Reason.LEVERAGE_NOT_SET)
    assert "59102 above the highest leverage" in process.lines[-1]
    assert await process.ready(_wish()) == Refused(Reason.NO_CREDENTIALS)
    assert await process.ready(_wish()) == Accepted(None)


async def test_unknown_is_asked_again_while_there_is_time(process: Process) -> None:
    """What proves nothing is repeated: lost answers, requests that never left, limits that pass."""
    let_in = process.clock.now() + NS_PER_S
    process.venue.leverage_replies.extend(
        [Unknown("lost"), Unsent("nobody listens"), RateLimited(let_in, "too many")]
    )

    assert await process.ready(_wish()) == Accepted(None)
    assert len(process.venue.leverages) == 4
    assert process.clock.now() > let_in


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Unknown("lost"), "lost"),
        (RateLimited(ORIGIN + 60 * NS_PER_S, "too many"), "too many"),
        (Accepted(None), "no time was left to set the leverage"),
    ],
)
async def test_time_runs_out(process: Process, answer: Outcome, why: str) -> None:
    """It never takes longer than it may, and what is not proved is not remembered as set."""
    process.venue.leverage_replies.extend([answer] * 20)
    if isinstance(answer, Accepted):
        process.venue.leverage_takes_s = 3
    begun = process.clock.now()

    assert await process.ready(_wish()) == Unknown(why)
    assert process.clock.now() - begun == pytest.approx(2 * NS_PER_S, rel=0.01)
    process.venue.leverage_replies.clear()
    process.venue.leverage_takes_s = 0.1
    asked = len(process.venue.leverages)
    assert await process.ready(_wish()) == Accepted(None)
    assert len(process.venue.leverages) == asked + 1


async def test_memory_is_bounded(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest is forgotten, and set again when it is wanted again."""
    monkeypatch.setattr(leverage, "REMEMBERED", 2)
    for symbol in ("A", "B", "C", "B", "C", "A"):
        await process.ready(_wish(symbol=symbol))

    assert [asked[1] for asked in process.venue.leverages] == ["A", "B", "C", "A"]


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


async def test_leverage_before_the_first_order(autojump_clock: MockClock) -> None:
    """It is set before the order is sent, once; a second order of the instrument goes at once."""
    rig = Rig("alice")
    worker = await _worker(rig, leverage=5)
    for cum_filled in ("1", "2"):
        assert await worker.copier.handle(rig.event(cum_filled), rig.clock.now()) == Handled()

    sent = [entry.split()[0] for entry in rig.timeline if entry.startswith(("leverage", "request"))]
    assert sent == ["leverage", "request", "request"]


async def test_without_its_leverage_nothing_is_opened(autojump_clock: MockClock) -> None:
    """A proved refusal denies the order; what is held is still closed."""
    rig = Rig("alice")
    worker = await _worker(rig, leverage=5)
    rig.venue.leverage_replies.append(Rejected("59102", "above the highest leverage"))
    event = rig.event()
    await worker.copier.handle(event, rig.clock.now())

    denied = (await rig.intents(event))["alice"]
    assert (denied.state, denied.reason) == (CopyState.DENIED, Reason.LEVERAGE_NOT_SET)
    assert rig.venue.requests == []


async def test_an_unknown_leverage_holds_only_its_client(autojump_clock: MockClock) -> None:
    """While a venue does not say, that client's order is held, and sent when it has; others do not wait."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, leverage=5)
    rig.venue.leverage_replies.extend([Unknown("no answer")] * 15)
    event, begun = rig.event(), rig.clock.now()
    async with worker.resolving():
        await worker.copier.handle(event, begun)
        assert rig.clock.now() - begun == pytest.approx(rig.timing.window, rel=0.1)
        intents = await rig.intents(event)
        assert (intents["alice"].state, intents["bob"].state) == (CopyState.HELD, CopyState.ACCEPTED)
        await trio.sleep(10)

    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED
    assert len(rig.venue.requests) == 2
    assert rig.venue.doubled == []


async def _worker(rig: Rig, **settings: Any) -> Worker:
    """A worker of a product whose first follower has such settings."""
    first, *others = rig.product.subscriptions
    rig.product = replace(rig.product, subscriptions=(replace(first, **settings), *others))
    return await rig.worker()
