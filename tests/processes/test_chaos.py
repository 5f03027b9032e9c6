"""Everything fails at once, with real processes: the copies are whole all the same."""

import pytest

from services.local.chaos import EVENTS, run
from services.local.strikes import ORDER_SERVICES
from services.local.trouble import KILLS_OF_OMS

SEED = 20_261_125


@pytest.mark.processes
@pytest.mark.timeout(420)
async def test_nothing_is_lost_or_doubled_whatever_fails(tmp_path):
    """Law: services die and outlast their leases, Redis comes back empty, answers of AWS and the venues fail
    or get lost; by the ledgers every copy is made once all the same, and the journal says why one is not.
    """
    report = await run(SEED, EVENTS, tmp_path / "logs")
    assert report.wrongs() == []
    assert report.judgement.leader_events >= EVENTS
    assert report.judgement.ledgers["placed"] > 2 * EVENTS
    assert sum(report.struck.kills[name] for name in ORDER_SERVICES) == 2 * KILLS_OF_OMS
    assert {reason.split()[0] for reason in report.judgement.journal.reasons} >= {"skipped", "denied"}
