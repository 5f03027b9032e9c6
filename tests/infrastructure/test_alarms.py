"""Laws of alarms and dashboards: they read what is emitted, say what to do, and are deployed as written."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.cli import app
from spider_common.telemetry import registry
from spider_common.telemetry.registry import AWS_METRICS, METRICS, OMS
from stacks.alarms import (
    ROLLBACK,
    Alarm,
    BadAlarm,
    Read,
    Running,
    alarms,
    of_aws,
    ours,
    redis_nodes,
)
from stacks.environments import ENVIRONMENTS, Environment
from stacks.rules import problems

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs/runbook.md"
SERVICES = ("oms", "ingest", "dashboard")
ACCOUNT = "123456789012"


def where(environment: Environment) -> dict[str, Any]:
    """What the services stack knows, as it would say it."""
    ways = [zone[-1] for zone in environment.zones[: environment.nat_gateways]]
    return {
        "services": {
            **{
                each: [Running(environment.named("oms"), environment.named(f"{each}-{way}")) for way in ways]
                for each in ("oms", "ingest")
            },
            "dashboard": [Running(environment.named("frontend"), environment.named("dashboard"))],
        },
        "nat_gateways": {way: f"nat-{way}" for way in ways},
        "balancer": "app/any/0123456789abcdef",
    }


def table(name: str) -> tuple[Alarm, ...]:
    return alarms(ENVIRONMENTS[name], **where(ENVIRONMENTS[name]))


def test_the_architectures_alarms_are_there(name: str) -> None:
    """Error rate over 5 % in five minutes, over 1,000 messages, under half of the tasks, Redis over 80 %, odd
    traffic: each with its number."""
    rows = {each.name: each for each in table(name)}
    assert (rows["error-rate"].threshold, rows["error-rate"].period_s) == (5, 300)
    assert rows["queue-depth"].threshold == 1_000
    few = [each for each in rows.values() if each.section == "tasks"]
    assert {each.threshold for each in few} == {50}
    assert {"oms-a-tasks", "ingest-a-tasks", "dashboard-tasks"} <= {each.name for each in few}
    nodes = [each for each in rows.values() if each.section == "redis-memory"]
    redis = ENVIRONMENTS[name].redis
    assert len(nodes) == redis.shards * (redis.replicas + 1)
    assert {each.threshold for each in nodes} == {80}
    odd = [each for each in rows.values() if each.section == "nat-bytes"]
    assert len(odd) == ENVIRONMENTS[name].nat_gateways
    assert {each.comparison for each in odd} == {"GreaterThanUpperThreshold"}


def test_an_alarm_is_named_once(name: str) -> None:
    """And evaluates at least one period, no fewer than it wants to be beyond the threshold."""
    rows = table(name)
    assert len({each.name for each in rows}) == len(rows)
    for each in rows:
        assert 1 <= each.breaching <= each.periods
        assert each.period_s * each.periods <= 86_400
        assert each.says.endswith(".")
        assert each.why.endswith(".")
        assert set(re.findall(r"\b[a-z]+\b", each.math)) <= set(each.reads)


@pytest.mark.parametrize(
    ("metric", "where", "said"),
    [
        (registry.DOUBT_AGE, {"Environment": "dev", "Service": "ingest"}, "ingest does not emit it"),
        (registry.DOUBT_AGE, {"Environment": "dev"}, "it is not emitted by Environment"),
        (registry.RATE_USE, {"Environment": "dev", "Service": "oms"}, "it is not emitted by"),
        (
            msgspec.structs.replace(registry.DOUBT_AGE, name="Doubts"),
            {"Environment": "dev", "Service": "oms"},
            "nobody emits it",
        ),
        (registry.QUEUE_AGE, {"Queue": "copy"}, "AWS keeps it by QueueName"),
    ],
)
def test_an_alarm_that_could_never_go_off_is_refused(metric: Any, where: dict[str, str], said: str) -> None:
    """While it is written: it would read a series that nobody emits."""
    with pytest.raises(BadAlarm, match=said):
        Read(metric=metric, where=where, statistic="Maximum")


def test_the_order_of_dimensions_is_the_registrys() -> None:
    """Values are given in it, so that none can be of another dimension."""
    read = of_aws(registry.TASKS_RUNNING, "Average", "cluster", "service")
    assert read.where == {"ClusterName": "cluster", "ServiceName": "service"}
    with pytest.raises(ValueError, match="shorter"):
        of_aws(registry.TASKS_RUNNING, "Average", "cluster")
    assert ours(ENVIRONMENTS["dev"], OMS, registry.DOUBT_AGE, "Maximum").where["Environment"] == "dev"


def test_nodes_are_named_as_elasticache_names_them() -> None:
    """With cluster mode by shard and node, without by node alone."""
    assert redis_nodes(ENVIRONMENTS["dev"]) == ("dev-cache-001",)
    assert redis_nodes(ENVIRONMENTS["staging"]) == ("staging-cache-001", "staging-cache-002")
    assert redis_nodes(ENVIRONMENTS["prod"])[1:3] == ("prod-cache-0001-002", "prod-cache-0002-001")


def test_a_release_is_taken_back_by_alarms_that_exist(name: str) -> None:
    """Each service has some."""
    rows = {each.name for each in table(name)}
    assert ROLLBACK.keys() == set(SERVICES)
    for service in SERVICES:
        assert set(ROLLBACK[service]) <= rows


# The runbook.


def sections() -> dict[str, str]:
    """Heading -> text of the runbook's sections."""
    _, *parts = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def test_every_alarm_has_a_section_and_every_section_an_alarm() -> None:
    """What somebody is woken for they are told what to do about, and nothing else is in the way."""
    wanted = {each.section for name in ENVIRONMENTS for each in table(name)}
    assert set(sections()) == wanted


@pytest.mark.parametrize("section", sorted(sections()))
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(section: str) -> None:
    """In that order, with at least one command."""
    text = sections()[section]
    parts = re.findall(r"^\*\*(Means|Look at|Do)\.\*\*", text, re.MULTILINE)
    assert parts == ["Means", "Look at", "Do"]
    assert re.search(r"^    (spider|aws) ", text, re.MULTILINE)


def commands() -> Iterable[tuple[str, ...]]:
    """What stands behind `spider` in the runbook, wherever it is quoted."""
    text = RUNBOOK.read_text()
    quoted = re.findall(r"`spider ([^`]+)`", text) + re.findall(r"^    spider (.+)$", text, re.MULTILINE)
    for each in quoted:
        yield tuple(each.split("#")[0].split())


@pytest.mark.parametrize("words", sorted(set(commands())), ids=" ".join)
def test_a_quoted_command_exists(words: tuple[str, ...]) -> None:
    """With its subcommand and each option that it is given."""
    import typer.main

    known: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(known, "commands"):
        known = known.commands.get(rest.pop(0))
        assert known is not None, words
    options = {each for parameter in known.params for each in parameter.opts}
    assert {each.partition("=")[0] for each in rest if each.startswith("--")} <= options


def test_every_metric_of_the_registry_is_named_in_no_other_words() -> None:
    """The runbook quotes metrics by their names."""
    known = {each.name for each in (*METRICS, *AWS_METRICS)}
    quoted = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", RUNBOOK.read_text()))
    assert quoted - known == set()


def test_every_line_that_is_looked_for_is_written() -> None:
    """What the runbook filters logs by, some service says."""
    looked_for = set(re.findall(r'\$\.event = "([^"*]+)"', RUNBOOK.read_text()))
    sources = [*ROOT.glob("services/o*/*.py"), *ROOT.glob("services/ingest/*.py"), *ROOT.glob("libs/**/*.py")]
    said = "".join(each.read_text() for each in sources)
    assert len(looked_for) > 5
    assert [each for each in looked_for if f'"{each}"' not in said] == []


# As deployed.


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Environment -> a stack of nothing but alarms, dashboards and tracing, held to the rules."""
    pytest.importorskip("cdktf", reason="`make synth` installs the bindings")
    import cdktf

    from stacks.constructs.alarms import Alarms
    from stacks.constructs.provider import use_aws
    from stacks.constructs.tracing import Tracing
    from stacks.guard import guard

    out = tmp_path_factory.mktemp("alarms")
    app = cdktf.App(outdir=str(out))
    for environment in ENVIRONMENTS.values():
        woken = msgspec.structs.replace(environment, alarm_emails=("desk@example.com",))
        stack = cdktf.TerraformStack(app, environment.name)
        guard(stack, environment)
        use_aws(stack, environment=environment, account=ACCOUNT, stack="alarms")
        Alarms(stack, "alarms", environment=woken, account=ACCOUNT, **where(environment))
        Tracing(stack, "tracing", environment=environment)
    app.synth()
    files = {each: out / "stacks" / each / "cdk.tf.json" for each in ENVIRONMENTS}
    return {each: msgspec.json.decode(file.read_bytes())["resource"] for each, file in files.items()}


@pytest.fixture
def resources(name: str, deployed: Mapping[str, Any]) -> Any:
    return deployed[name]


def test_an_alarm_is_deployed_as_the_table_says(name: str, resources: Any) -> None:
    """Each row, each field of it, and whom it tells; nothing that has no row."""
    bodies = {each["alarm_name"]: each for each in resources["aws_cloudwatch_metric_alarm"].values()}
    assert len(bodies) == len(table(name))
    (topic,) = resources["aws_sns_topic"]
    for row in table(name):
        body = bodies[ENVIRONMENTS[name].named(row.name)]
        banded = row.comparison == "GreaterThanUpperThreshold"
        assert body["alarm_description"] == row.description
        assert body["treat_missing_data"] == row.missing
        assert (body["evaluation_periods"], body["datapoints_to_alarm"]) == (row.periods, row.breaching)
        assert body["comparison_operator"] == row.comparison
        assert body.get("threshold") == (None if banded else row.threshold)
        assert body["alarm_actions"] == body["ok_actions"] == [f"${{aws_sns_topic.{topic}.arn}}"]
        read = {
            each["id"]: (each["metric"]["metric_name"], each["metric"]["dimensions"], each["metric"]["stat"])
            for each in body["metric_query"]
            if "metric" in each
        }
        assert read == {
            key: (each.metric.name, dict(each.where), each.statistic) for key, each in row.reads.items()
        }
        assert [each["expression"] for each in body["metric_query"] if "expression" in each] == (
            [row.math] if row.math else []
        )
        # CloudWatch compares the one series that is returned; a band is returned beside what it is of
        assert sum(each["return_data"] for each in body["metric_query"]) == (2 if banded else 1)


def test_no_rule_is_broken(name: str, resources: Any) -> None:
    """Among them that each alarm reads what is emitted."""
    assert problems(resources, protected=ENVIRONMENTS[name].protected) == []


def test_only_alarms_of_this_account_are_told(resources: Any) -> None:
    """The topic and its key are CloudWatch's for our alarms, and who is named by mail reads them."""
    (policy,) = resources["aws_sns_topic_policy"].values()
    allowed = [
        each for each in msgspec.json.decode(policy["policy"])["Statement"] if each["Effect"] == "Allow"
    ]
    (publish,) = allowed
    assert publish["Action"] == ["sns:Publish"]
    assert publish["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    (mail,) = resources["aws_sns_topic_subscription"].values()
    assert (mail["protocol"], mail["endpoint"]) == ("email", "desk@example.com")


def test_a_dashboard_shows_all_that_its_service_emits(name: str, resources: Any) -> None:
    """Every metric of the registry is on the dashboard of each service that emits it, for the environment."""
    boards = {
        each["dashboard_name"]: msgspec.json.decode(each["dashboard_body"])
        for each in resources["aws_cloudwatch_dashboard"].values()
    }
    assert set(boards) == {ENVIRONMENTS[name].named(each) for each in SERVICES}
    for service in SERVICES:
        series = [
            line
            for widget in boards[ENVIRONMENTS[name].named(service)]["widgets"]
            for line in widget["properties"].get("metrics", [])
        ]
        emitted = {each.name for each in METRICS if service in each.services}
        assert {line[1] for line in series if line[0] == registry.NAMESPACE} == emitted
        for namespace, metric, *dimensions, options in series:
            if namespace == registry.NAMESPACE:
                found = tuple(dimensions[::2])
                assert found in registry.dimension_sets(registry.BY_NAME[metric])
                assert (dimensions[1], dimensions[3]) == (name, service)
            assert options["stat"]


def test_widgets_do_not_overlap(resources: Any) -> None:
    """Three in a row on a grid of 24."""
    for each in resources["aws_cloudwatch_dashboard"].values():
        places = [
            (widget["x"], widget["y"], widget["width"])
            for widget in msgspec.json.decode(each["dashboard_body"])["widgets"]
        ]
        assert len(set(places)) == len(places)
        assert all(x + width <= 24 for x, _, width in places)


def test_tracing_is_kept_apart_by_environment(name: str, resources: Any) -> None:
    """Rules and groups are an account's: one environment's say nothing of another's services."""
    rules = resources["aws_xray_sampling_rule"].values()
    assert {each["service_name"] for each in rules} == {ENVIRONMENTS[name].named(each) for each in SERVICES}
    assert len({each["priority"] for each in rules}) == len(rules)
    assert all(len(each["rule_name"]) <= 32 for each in rules)
    for group in resources["aws_xray_group"].values():
        named = re.findall(r'service\("([a-z-]+)"\)', group["filter_expression"])
        assert set(named) == {ENVIRONMENTS[name].named(each) for each in SERVICES}
