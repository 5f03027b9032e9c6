"""`spider worth` as a user runs it: over our AWS client, at moto's server."""

import json
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import pytest
import trio
from typer.testing import CliRunner

from services.cli import app, worths
from services.cli.refusal import Refusal
from spider_common import schema
from spider_common.clock import SystemClock, utc_day
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.products import Equity
from spider_common.domain.standing import Worth
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import open_aws
from spider_common.stores.audit import Audit, AuditEntry
from spider_common.stores.documents import Stored
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.provision import provision
from spider_common.stores.trading import TradingStore

PREFIX = "worth-"
REGION = "ap-southeast-1"
ANA = AccountId("okx-ana")
T = TypeVar("T")


def _equity(worth: int, ts: int) -> Equity:
    return Equity(account=ANA, equity=Decimal(worth), currency="USD", ts_venue=ts)


async def _tell(trading: TradingStore, *told: tuple[int, int]) -> None:
    for worth, ts in told:
        fact, known = _equity(worth, ts), await trading.worth(Venue.OKX, ANA)
        after = known.value.observe(fact) if known else Worth.of(fact)
        await trading.save_worth(Venue.OKX, Stored(after, known.version if known else 0))


@pytest.fixture
def tables(moto_endpoint: str, lead_to_moto: Callable[[str], None]) -> Callable[..., T]:
    """The variables that lead the command to moto's tables, and a way to work with them."""
    lead_to_moto(PREFIX)

    def work(what: Callable[[TradingStore, Audit], Awaitable[T]]) -> T:
        async def main() -> T:
            made = open_aws(
                network=SystemNetwork(), region=REGION, endpoint_url=moto_endpoint, keys=("test", "test")
            )
            async with made as aws:
                await provision(aws, prefix=PREFIX)
                trading, config = (
                    DynamoTable(aws, shape, random.Random(1), prefix=PREFIX)
                    for shape in (schema.TRADING, schema.CONFIG)
                )
                return await what(TradingStore(trading), Audit(config))

        return trio.run(main)

    return work


Tables = Callable[[Callable[[TradingStore, Audit], Awaitable[T]]], T]


def test_it_is_shown_and_begins_anew(tables: Tables[None]) -> None:
    """What the limits go by is shown; begun anew, only the newest is left, and the audit has both."""

    async def told(trading: TradingStore, _: Audit) -> None:
        await _tell(trading, (1_000, 1), (400, 2))

    tables(told)
    shown = CliRunner().invoke(app, ["worth", "okx/okx-ana", "--json"])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert json.loads(shown.stdout)["peak"] == "1000"

    begun = CliRunner().invoke(app, ["worth", "okx/okx-ana", "--anew", "--yes", "--json"])
    assert (begun.exit_code, begun.stderr) == (0, "")
    assert json.loads(begun.stdout)["peak"] == "400"

    async def kept(trading: TradingStore, audit: Audit) -> None:
        latest = _equity(400, 2)
        assert await trading.worths() == {
            ANA: Worth(latest=latest, opening=latest, peak=Decimal(400), since=2)
        }
        entries = await audit.entries(utc_day(SystemClock().now()))
        (entry,) = [each for each in entries if each.action == "worth.anew"]
        assert isinstance(entry, AuditEntry)
        assert entry.target == "account/okx/okx-ana"
        assert json.loads(entry.before)["peak"] == "1000"
        assert json.loads(entry.after)["peak"] == "400"

    tables(kept)


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("okx-ana", "ACCOUNT: 'okx-ana' is not VENUE/ACCOUNT"),
        ("kraken/ana", "ACCOUNT: 'kraken/ana' is not VENUE/ACCOUNT"),
        ("okx/nobody", "ACCOUNT: okx/nobody has told no equity"),
    ],
)
def test_what_is_not_an_account_is_refused(tables: Tables[None], account: str, words: str) -> None:
    """One line with the argument and the fix; nothing is on stdout."""

    async def nothing(_: TradingStore, __: Audit) -> None:
        return None

    tables(nothing)
    result = CliRunner().invoke(app, ["worth", account])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(words)


def test_a_fact_that_comes_between_is_not_lost(tables: Tables[None]) -> None:
    """What was looked at is forgotten, and nothing that was told since."""

    async def told(trading: TradingStore, _: Audit) -> None:
        await _tell(trading, (600, 4), (700, 5))

    tables(told)
    known = worths.read(Venue.OKX, ANA)
    stale = Stored(known.value, known.version - 1)
    with pytest.raises(Refusal, match="told another equity just now; give the command again"):
        worths.begin_anew(Venue.OKX, stale)
    assert worths.read(Venue.OKX, ANA) == known


def test_nobody_to_ask(tables: Tables[None]) -> None:
    """Without a terminal it is not done unless --yes says so."""

    async def told(trading: TradingStore, _: Audit) -> None:
        await _tell(trading, (500, 3))

    tables(told)
    result = CliRunner().invoke(app, ["worth", "okx/okx-ana", "--anew"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--yes" in result.stderr
