"""What accounts were worth, in the Trading table that the environment names."""

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from services.cli.config_table import author
from services.cli.reaching import open_ground, reach, read_settings
from services.cli.refusal import Refusal
from spider_common import schema
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.standing import Worth
from spider_common.stores.audit import Audit, AuditEntry
from spider_common.stores.documents import Stored
from spider_common.stores.table import Conflict, TableError
from spider_common.stores.trading import TradingStore

T = TypeVar("T")


def read(venue: Venue, account: AccountId) -> Stored[Worth]:
    """What is known.

    Raises:
        Refusal: nothing is, or the table does not answer.
    """

    async def work(trading: TradingStore, _: Audit) -> Stored[Worth] | None:
        return await trading.worth(venue, account)

    known = _reach(work)
    if known is None:
        raise Refusal(f"ACCOUNT: {venue}/{account} has told no equity; look at its sessions in ingest's log")
    return known


def begin_anew(venue: Venue, known: Stored[Worth]) -> Stored[Worth]:
    """Forgets all but the newest equity. The audit has it first.

    Raises:
        Refusal: the account has told another equity since it was read, or a table does not answer.
    """
    by, anew = author(), Stored(known.value.anew(), known.version)
    entry = AuditEntry(
        who=by.who,
        ts=by.ts,
        from_where=by.from_where,
        action="worth.anew",
        target=f"account/{venue}/{known.value.latest.account}",
        before=msgspec.json.encode(known.value).decode(),
        after=msgspec.json.encode(anew.value).decode(),
    )

    async def work(trading: TradingStore, audit: Audit) -> None:
        await audit.record(entry)
        try:
            await trading.save_worth(venue, anew)
        except Conflict:
            raise _Moved(f"{entry.target}: it told another equity just now; give the command again") from None

    _reach(work)
    return anew


class _Moved(Exception):
    """Somebody else was quicker."""


def _reach(work: Callable[[TradingStore, Audit], Awaitable[T]]) -> T:
    chosen = read_settings(os.environ)

    async def with_tables() -> T:
        async with open_ground(chosen) as ground:
            return await work(TradingStore(ground.table(schema.TRADING)), Audit(ground.table(schema.CONFIG)))

    tables = f"tables {chosen.names_prefix}{schema.TRADING.name} and {schema.CONFIG.name}"
    return reach(tables, with_tables, TableError, plain=(_Moved,))
