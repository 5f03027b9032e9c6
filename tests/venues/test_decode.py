"""`spider decode` reads what the simulated venues say as the sessions do."""

import gzip

import msgspec
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.files import load_instruments
from spider_common.domain.identifiers import Venue
from spider_common.venues.venue import Told
from tests.venues.bench import DIALECTS, Dialect
from tests.venues.recordings import record

by_venue = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)


@by_venue
def test_a_whole_session_is_decoded(dialect: Dialect) -> None:
    """Every frame of a leader's session is understood, and tells the events that the session tells."""
    recording = record(dialect, 1)
    kept = [frame if isinstance(frame, bytes) else f"{frame}\n".encode() for frame in recording.frames]
    result = CliRunner().invoke(app, ["decode", dialect.venue, "--account", "alice"], input=b"".join(kept))
    assert (result.exit_code, result.stderr) == (0, "")

    lines = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
    kinds = {"facts": "order", "executions": "execution", "equities": "equity", "positions": "position"}
    decoded = msgspec.convert(
        {kind: [line[name] for line in lines if name in line] for kind, name in kinds.items()}, Told
    )
    told = recording.replay(recording.frames)
    assert decoded.facts
    assert [fact.event_id for fact in decoded.facts] == [fact.event_id for fact in told.facts]
    assert (decoded.executions, decoded.equities, decoded.positions) == (
        told.executions,
        told.equities,
        told.positions,
    )


def test_bingx_speaks_gzip() -> None:
    """So the recording above is read as the bytes that came."""
    (bingx,) = (dialect for dialect in DIALECTS if dialect.venue == Venue.BINGX)
    assert all(gzip.decompress(frame) for frame in record(bingx, 1).frames if isinstance(frame, bytes))
    assert any(isinstance(frame, bytes) for frame in record(bingx, 1).frames)


@by_venue
def test_the_default_instruments_are_those_that_our_client_reads(dialect: Dialect) -> None:
    """The list that a command has without asking is the list that the simulated venue answers with."""
    read = list(record(dialect, 1).instruments)
    kinds = {each.kind for each in read}
    known = [each for each in load_instruments([]) if each.venue == dialect.venue and each.kind in kinds]
    assert known == read
