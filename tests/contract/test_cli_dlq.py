"""`spider dlq` as a user runs it: over our AWS client, at moto's server."""

import random
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TypeVar

import pytest
import trio

from spider_common import schema
from spider_common.clock import SystemClock, utc_day
from spider_common.domain.identifiers import EventId
from spider_common.messages import LeaderOrder, encode
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import open_aws
from spider_common.stores import dead_letters
from spider_common.stores.audit import Audit, AuditEntry
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.provision import provision
from spider_common.stores.queue import Delivery, Outgoing
from spider_common.stores.sqs_queue import open_queue
from tests.strategies import intent, journal_row
from tests.unit.spider_command import lines, refused, spider

REGION = "ap-southeast-1"
T = TypeVar("T")


class Ground:
    """The queues and tables of one prefix, used from outside the command."""

    def __init__(self, endpoint: str, prefix: str) -> None:
        self.endpoint, self.prefix = endpoint, prefix

    def with_aws(self, work: Callable[..., Awaitable[T]]) -> T:
        async def main() -> T:
            network = SystemNetwork()
            made = open_aws(network=network, region=REGION, endpoint_url=self.endpoint, keys=("test", "test"))
            async with made as aws:
                return await work(aws)

        return trio.run(main)

    def set_aside(self, reason: str, *messages: Outgoing) -> None:
        """Messages that a worker has set aside for a reason, one after the other."""

        async def work(aws: object) -> None:
            queue = await open_queue(aws, schema.COPY, random.Random(1), prefix=self.prefix)
            await queue.send(messages)
            while deliveries := await queue.receive(wait_s=0):
                for delivery in deliveries:
                    await queue.dead_letter(delivery, reason)

        self.with_aws(work)

    def queued(self) -> list[Delivery]:
        """What stands in the copy queue."""

        async def work(aws: object) -> list[Delivery]:
            queue = await open_queue(aws, schema.COPY, random.Random(1), prefix=self.prefix)
            return await queue.receive(wait_s=0)

        return self.with_aws(work)

    def audited(self) -> list[AuditEntry]:
        async def work(aws: object) -> list[AuditEntry]:
            table = DynamoTable(aws, schema.CONFIG, random.Random(1), prefix=self.prefix)
            return await Audit(table).entries(utc_day(SystemClock().now()))

        return self.with_aws(work)


@pytest.fixture
def ground(
    moto_endpoint: str,
    lead_to_moto: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Ground:
    prefix = f"{request.node.name[-40:].replace('_', '-')}-"
    monkeypatch.setattr(dead_letters, "WAIT_S", 0)  # moto has no servers of which a short poll asks only some
    lead_to_moto(prefix)
    made = Ground(moto_endpoint, prefix)

    async def work(aws: object) -> None:
        await provision(aws, prefix=prefix)

    made.with_aws(work)
    return made


EVENT = journal_row(intent()).event
LEADER_ORDER = Outgoing("p#0", "first", encode(LeaderOrder(event=EVENT)), {"trace": "1"})
NONSENSE = Outgoing("p#0", "second", "[red]nonsense[/red]")
OTHER = Outgoing("q#0", "third", "{}")


def test_letters_are_listed_and_shown(ground: Ground) -> None:
    """By group and in order: id, age, receives, the reason, and which message it is in words."""
    ground.set_aside("event.product: 'p' is not configured", LEADER_ORDER, NONSENSE)
    ground.set_aside("broken", OTHER)

    listed = lines(spider("dlq", "list", "--json"))
    assert [(each["group"], each["dedup"]) for each in listed] == [
        ("p#0", "first"),
        ("p#0", "second"),
        ("q#0", "third"),
    ]
    assert listed[0]["message"] == (
        f"event {EventId(EVENT.fact.event_id)} for p, shard 0 of 1: leader leader at okx, "
        "order 1: buy BTC-USDT-SWAP, filled, filled 1 of 1"
    )
    (broken,) = lines(spider("dlq", "list", "--reason", "BROKEN", "--json"))
    assert broken["dedup"] == "third"

    table = spider("dlq", "list")
    assert (table.exit_code, table.stderr) == (0, "")
    for words in ("dead letters: 3", "s ago", "unreadable: [red]nonsense[/red]", "broken"):
        assert words in table.stdout

    whole = spider("dlq", "show", listed[0]["letter_id"][:10])
    assert whole.exit_code == 0
    for words in (f"body: {LEADER_ORDER.body}", "reason: event.product", "attributes: {'trace': '1'}"):
        assert words in whole.stdout
    (shown,) = lines(spider("dlq", "show", listed[0]["letter_id"], "--json"))
    assert shown["body"] == LEADER_ORDER.body


def test_one_letter_is_redriven(ground: Ground) -> None:
    """It is in its queue as it was, minutes after its first sending; the others stay; the audit has it."""
    ground.set_aside("broken", LEADER_ORDER, NONSENSE)
    first, second = lines(spider("dlq", "list", "--json"))

    (done,) = lines(spider("dlq", "redrive", first["letter_id"][:8], "--json"))
    assert done["letter_id"] == first["letter_id"]
    (back,) = ground.queued()
    assert (back.group, back.body, back.attributes) == ("p#0", LEADER_ORDER.body, {"trace": "1"})
    assert [each["letter_id"] for each in lines(spider("dlq", "list", "--json"))] == [second["letter_id"]]
    (entry,) = ground.audited()
    assert (entry.who, entry.action, entry.target) == ("ana", "dlq.redrive", f"letter/{first['letter_id']}")


def test_all_are_redriven_in_their_order(ground: Ground) -> None:
    """Those that the queue set aside itself, more than ten of a group, come with the others."""
    group = [Outgoing("p#0", f"{n:02}", f'"{n:02}"') for n in range(12)]

    async def work(aws: object) -> None:
        await (await open_queue(aws, schema.COPY_DLQ, random.Random(1), prefix=ground.prefix)).send(group)

    ground.with_aws(work)
    listed = spider("dlq", "list", "--json")
    assert (listed.exit_code, len(lines(listed))) == (1, 10)
    assert listed.stderr.startswith("2 more are not shown: ")

    done = spider("dlq", "redrive", "--all")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "redriven: 12" in done.stdout
    assert [each.body for each in ground.queued()] == [each.body for each in group[:10]]
    assert "dead letters: 0" in spider("dlq", "list").stdout


def test_drop_asks_first(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is dropped; with it, or with --yes, what was shown is; the audit has it."""
    ground.set_aside("broken", LEADER_ORDER, NONSENSE)

    assert "Nobody can be asked here; --yes says so" in refused("dlq", "drop", "--reason", "broken")
    person = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("services.cli.confirm.sys", person)
    no = spider("dlq", "drop", "--reason", "broken", stdin="n\n")
    assert no.exit_code == 1
    assert "Drop 2 for good: " in no.stderr
    assert ground.audited() == []
    first, _ = lines(spider("dlq", "list", "--json"))

    assert spider("dlq", "drop", first["letter_id"], stdin="y\n").exit_code == 0
    assert len(lines(spider("dlq", "drop", "--all", "--yes", "--json"))) == 1
    assert lines(spider("dlq", "list", "--json")) == []
    assert ground.queued() == []
    assert [entry.action for entry in ground.audited()] == ["dlq.drop"] * 2
    assert NONSENSE.body in ground.audited()[1].before


def test_what_cannot_be_meant_is_refused(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the place and the fix; nothing is done."""
    assert refused("dlq", "redrive").startswith("ID: name ids, or give --reason WORDS, or --all")
    assert refused("dlq", "drop", "--all", "--reason", "x").startswith("ID: name ids, or")
    assert refused("dlq", "show", "xyz").startswith("ID: 'xyz' is not 4 to 32 hex digits")
    assert refused("dlq", "redrive", "0000").startswith("ID: no dead letter 0000 is to be seen")
    monkeypatch.setenv("SPIDER_NAMES_PREFIX", "nobody-")
    assert refused("dlq", "list").startswith("queue nobody-copy-dlq.fifo: ")
