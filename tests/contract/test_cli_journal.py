"""`spider journal` as a user runs it: over our AWS client, at moto's server."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from typer.testing import CliRunner

from services.cli import app
from spider_common import schema
from spider_common.domain.intents import Cursor
from spider_common.domain.positions import Book
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import open_aws
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.provision import provision
from spider_common.stores.trading import TradingStore
from tests.strategies import TS, intent, journal_row

PREFIX = "cli-"
REGION = "ap-southeast-1"


@pytest.fixture
def environment(moto_endpoint: str, lead_to_moto: Callable[[str], None]) -> str:
    """The variables that lead the command to moto."""
    lead_to_moto(PREFIX)
    return moto_endpoint


async def _store(endpoint: str) -> str:
    row = journal_row(intent())
    made = open_aws(network=SystemNetwork(), region=REGION, endpoint_url=endpoint, keys=("test", "test"))
    async with made as aws:
        await provision(aws, prefix=PREFIX)
        trading = TradingStore(DynamoTable(aws, schema.TRADING, random.Random(1), prefix=PREFIX))
        await trading.commit_plan(row, (Cursor(cum_filled=Decimal(1), ts_venue=TS), 0), (Book(), 0))
    return row.event.fact.event_id


def test_a_stored_row_is_found(environment: str) -> None:
    """What the order service's store has written is what the command shows."""
    event = trio.run(_store, environment)
    result = CliRunner().invoke(app, ["journal", event, "--json"])

    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["event"]["product"] == "p"


def test_a_missing_table_is_named(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the table's name and the settings to mend."""
    monkeypatch.setenv("SPIDER_NAMES_PREFIX", "nobody-")
    result = CliRunner().invoke(app, ["journal", "0" * 32])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("table nobody-trading: ")
    assert "SPIDER_NAMES_PREFIX" in result.stderr


def test_an_endpoint_that_does_not_answer_is_told(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are told on stderr, the last line is the refusal; nothing is on stdout."""
    monkeypatch.setenv("SPIDER_AWS_ENDPOINT", "http://127.0.0.1:1")
    result = CliRunner().invoke(app, ["journal", "0" * 32])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"table {PREFIX}trading: no answer")


def test_missing_credentials_are_told(
    environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where AWS's default chain finds nothing, one line says so."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # the chain's last link is on the network
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["journal", "0" * 32])

    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"table {PREFIX}trading: Unable to locate credentials; ")
