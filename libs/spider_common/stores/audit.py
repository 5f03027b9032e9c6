"""Who changed what, when and from where: rows of the Config table that are written once and never changed."""

import contextlib

import msgspec

from spider_common import schema
from spider_common.clock import utc_day
from spider_common.domain.identifiers import digest
from spider_common.stores.table import Conflict, Put, Row, Table


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes something, when (Unix ns), and from which host or address."""

    who: str
    ts: int
    from_where: str


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change that a person asked for. Secrets do not belong in it.

    Attributes:
        who: whose command it was.
        ts: when it was given, Unix ns.
        from_where: the host or address it came from.
        action: what was done, as `dlq.redrive` or `config.apply`.
        target: what it was done to, as `product/alpha`.
        before, after: what stood there, as JSON text; empty for nothing.
    """

    who: str
    ts: int
    from_where: str
    action: str
    target: str
    before: str = ""
    after: str = ""


class Audit:
    """Failures are those of `spider_common.stores.table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def record(self, entry: AuditEntry) -> None:
        """Keeps an entry. Recording it again is harmless."""
        with contextlib.suppress(Conflict):  # its key is its content: it stands there already
            await self._table.write(audit_put(entry))

    async def entries(self, day: str) -> list[AuditEntry]:
        """All of one UTC day, as `2026-11-25`, oldest first."""
        found: list[AuditEntry] = []
        after: str | None = None
        while True:
            page = await self._table.query(schema.audit_partition(day), after=after)
            found.extend(msgspec.json.decode(row.doc, type=AuditEntry) for row in page.rows)
            if (after := page.next) is None:
                return found


def audit_put(entry: AuditEntry) -> Put:
    """What records an entry, to be written in one transaction with the change it tells of."""
    doc = msgspec.json.encode(entry, order="deterministic").decode()
    key = schema.audit_key(utc_day(entry.ts), digest(doc), ts=entry.ts)
    return Put(Row(pk=key.pk, sk=key.sk, doc=doc))
