"""Laws of the audit: nothing that was recorded is changed, doubled or missed."""

import msgspec
import pytest

from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.schema import DAY_S
from spider_common.stores.audit import Audit, AuditEntry, audit_put
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.table import Conflict

NOON = 1_764_072_000 * NS_PER_S  # 2025-11-25T12:00:00Z
ENTRY = AuditEntry(
    who="ana", ts=NOON, from_where="desk-1", action="config.apply", target="product/alpha", after="{}"
)


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable(schema.CONFIG, TrioClock(NOON))


async def test_a_day_is_told_in_its_order(table: MemoryTable) -> None:
    """Every entry of a UTC day, oldest first, over any number of pages; none of another day."""
    audit = Audit(table)
    told = [msgspec.structs.replace(ENTRY, ts=NOON + n * NS_PER_S, target=f"{n}") for n in range(250)]
    for entry in reversed(told):
        await audit.record(entry)
    await audit.record(msgspec.structs.replace(ENTRY, ts=NOON + DAY_S * NS_PER_S))
    assert await audit.entries("2025-11-25") == told
    assert len(await audit.entries("2025-11-26")) == 1


async def test_an_entry_stands_once(table: MemoryTable) -> None:
    """Recorded again it changes nothing; another one of the same moment stands beside it."""
    audit = Audit(table)
    other = msgspec.structs.replace(ENTRY, who="bruno")
    for entry in (ENTRY, other, ENTRY):
        await audit.record(entry)
    found = await audit.entries("2025-11-25")
    assert sorted(entry.who for entry in found) == ["ana", "bruno"]
    with pytest.raises(Conflict):
        await table.write(audit_put(ENTRY))
