"""Laws of settings: every variable is known, in range, and named when it is not."""

import pytest

from spider_common import settings
from spider_common.domain.journal import Timing
from spider_common.settings import BadSetting, IngestSettings, OmsSettings


def test_defaults_need_no_environment() -> None:
    """Each setting has a default, and the times fit together."""
    assert settings.read(OmsSettings, {}).timing == Timing()
    assert settings.read(IngestSettings, {"PATH": "/bin", "AWS_REGION": "x"}) == IngestSettings()


def test_a_variable_is_read_by_its_name() -> None:
    """SPIDER_ and the field's name in capitals; numbers are numbers."""
    read = settings.read(OmsSettings, {"SPIDER_OWNER": "task-7", "SPIDER_LEASE_MS": "20000"})
    assert (read.owner, read.timing.lease) == ("task-7", 20_000_000_000)


@pytest.mark.parametrize(
    "chosen",
    [OmsSettings(), OmsSettings(owner="task-7", tasks=20, names_prefix="dev-"), IngestSettings(hold_ms=1)],
)
def test_what_is_written_is_read_back(chosen: OmsSettings | IngestSettings) -> None:
    """An environment made from settings makes them again, and says nothing of what is empty."""
    written = settings.write(chosen)
    assert settings.read(type(chosen), written) == chosen
    assert "" not in written.values()


def test_what_cannot_be_written_is_named() -> None:
    """A setting that is emptied would come back as its default, so it is refused."""
    with pytest.raises(BadSetting, match="SPIDER_AWS_REGION: cannot be emptied"):
        settings.write(OmsSettings(aws_region=""))


@pytest.mark.parametrize("name", ["SPIDER_LEESE_MS", "SPIDER_", "SPIDER_SWEEP_MS"])
def test_an_unknown_variable_is_named(name: str) -> None:
    """A misspelt setting is not a default; those there are stand in the error."""
    with pytest.raises(BadSetting, match=f"^{name}: OmsSettings has no such setting") as caught:
        settings.read(OmsSettings, {name: "1"})
    assert "SPIDER_LEASE_MS" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPIDER_LEASE_MS", "soon"),
        ("SPIDER_LEASE_MS", "0"),
        ("SPIDER_DRAIN_MS", "-1"),
        ("SPIDER_SKEW_MS", "1.5"),
        ("SPIDER_QUEUE_VISIBILITY_MS", "999"),
        ("SPIDER_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    """The error says which variable holds it."""
    with pytest.raises(BadSetting) as caught:
        settings.read(OmsSettings, {name: value})
    assert str(caught.value).startswith(f"{name}: ")


def test_a_wrong_value_is_not_shown() -> None:
    """A variable may hold a secret that was put in the wrong place."""
    with pytest.raises(BadSetting) as caught:
        settings.read(OmsSettings, {"SPIDER_LEASE_MS": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {"SPIDER_LEASE_MS": "3000"},
        {"SPIDER_WINDOW_MS": "9000"},
        {"SPIDER_SKEW_MS": "4000"},
        {"SPIDER_SKEW_MS": "2500", "SPIDER_WINDOW_MS": "100"},
    ],
)
def test_times_that_do_not_fit_are_refused(environment: dict[str, str]) -> None:
    """A lease must have room for a request with its margins, or nothing could ever be sent."""
    with pytest.raises(BadSetting, match=r"^SPIDER_LEASE_MS, .*: timing\.lease: "):
        settings.read(OmsSettings, environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPIDER_OKX_REST", "www.okx.com"),
        ("SPIDER_OKX_SOCKET", "https://ws.okx.com"),
        ("SPIDER_BINGX_REST", ""),
        ("SPIDER_REDIS_URL", "redis://:hunter2@cache:port"),
        ("SPIDER_REDIS_URL", "cache.internal:6379"),
        ("SPIDER_AWS_ENDPOINT", "http://"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(name: str, value: str) -> None:
    """At the start and by its name, with how to write it; what stood there is not shown."""
    with pytest.raises(BadSetting, match=f"^{name}: write it as .*://HOST") as caught:
        settings.read(OmsSettings, {name: value})
    assert not value or value not in str(caught.value)


def test_an_address_that_may_be_missing_may_be_empty() -> None:
    """Without a cache the tables are read; without an endpoint AWS itself is asked."""
    read = settings.read(OmsSettings, {"SPIDER_REDIS_URL": "", "SPIDER_AWS_ENDPOINT": ""})
    assert (read.redis_url, read.aws_endpoint) == ("", "")
