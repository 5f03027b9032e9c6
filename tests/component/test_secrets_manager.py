"""Laws of the secret store: kept for a while, outlives an outage, and shows nothing."""

from typing import Any

import botocore.exceptions
import pytest
import trio
from trio.testing import MockClock

from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import AccountId
from spider_common.secret import Login, Secret, write_credentials
from spider_common.stores.secrets import KEEP_NS, SecretsManager, SecretsUnavailable
from tests.oms_rig import KEY, ORIGIN

ACCOUNT = AccountId("a")


class FakeAws:
    """Secrets Manager with what is put into `stored`; `away` makes it answer with a server's failure."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}
        self.away = False
        self.calls = 0

    def client(self, service: str) -> Any:
        assert service == "secretsmanager"
        return self

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 as boto3 names it
        if self.away:
            raise _error("InternalServiceError")
        if SecretId not in self.stored:
            raise _error("ResourceNotFoundException")
        return {"SecretString": self.stored[SecretId]}

    def batch_get_secret_value(self, SecretIdList: list[str]) -> dict[str, Any]:  # noqa: N803 likewise
        assert len(SecretIdList) <= 20
        if self.away:
            raise _error("InternalServiceError")
        found = [name for name in SecretIdList if name in self.stored]
        return {"SecretValues": [{"Name": name, "SecretString": self.stored[name]} for name in found]}

    async def call(self, method: Any, /, **arguments: Any) -> Any:
        self.calls += 1
        await trio.lowlevel.checkpoint()
        return method(**arguments)


def _error(code: str) -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": ""}}, "GetSecretValue")


def secrets() -> tuple[FakeAws, SecretsManager]:
    aws = FakeAws()
    return aws, SecretsManager(aws, TrioClock(ORIGIN), prefix="dev/")  # type: ignore[arg-type]  # two methods


async def test_a_key_is_read_once_in_a_while(autojump_clock: MockClock) -> None:
    """Remembered for its time, then read again, so that a changed key is used."""
    aws, store = secrets()
    aws.stored["dev/accounts/a"] = write_credentials(KEY)
    for _ in range(3):
        assert await store.credentials(ACCOUNT) == KEY
    assert aws.calls == 1
    await trio.sleep(KEEP_NS / NS_PER_S)
    assert await store.credentials(ACCOUNT) == KEY
    assert aws.calls == 2


async def test_an_outage_is_no_missing_key(autojump_clock: MockClock) -> None:
    """What is remembered serves on; without it, no answer is an error and not "none"."""
    aws, store = secrets()
    assert await store.credentials(ACCOUNT) is None
    aws.away = True
    with pytest.raises(SecretsUnavailable, match="dev/accounts/a"):
        await store.credentials(ACCOUNT)
    aws.away = False
    aws.stored["dev/accounts/a"] = write_credentials(KEY)
    await store.credentials(ACCOUNT)
    aws.away = True
    await trio.sleep(2 * KEEP_NS / NS_PER_S)
    assert await store.credentials(ACCOUNT) == KEY


@pytest.mark.parametrize("text", ["hunter2", "{}", '{"key":"hunter2","secret":1}'])
async def test_a_secret_that_is_no_key_is_none(text: str, autojump_clock: MockClock) -> None:
    """One account's broken secret is that account's trouble; put right, it is used at once."""
    aws, store = secrets()
    aws.stored["dev/accounts/a"] = text
    assert await store.credentials(ACCOUNT) is None
    aws.stored["dev/accounts/a"] = write_credentials(KEY)
    assert await store.credentials(ACCOUNT) == KEY


async def test_keys_are_read_ahead_in_few_calls(autojump_clock: MockClock) -> None:
    """Twenty a call; those at hand are not asked for again, and are read anew before they run out."""
    aws, store = secrets()
    accounts = [AccountId(f"a{number}") for number in range(45)]
    aws.stored |= {f"dev/accounts/{account}": write_credentials(KEY) for account in accounts}
    for _ in range(2):
        await store.read_ahead(accounts)
    assert aws.calls == 3
    assert [await store.credentials(account) for account in accounts] == [KEY] * 45
    await trio.sleep(KEEP_NS / NS_PER_S / 2)
    await store.read_ahead(accounts)
    await trio.sleep(KEEP_NS / NS_PER_S * 0.9)
    assert [await store.credentials(account) for account in accounts] == [KEY] * 45
    assert aws.calls == 6


async def test_what_could_not_be_read_ahead_is_read_when_it_is_needed(autojump_clock: MockClock) -> None:
    """An outage, a missing key and a broken one change nothing of what `credentials` says."""
    aws, store = secrets()
    aws.away = True
    await store.read_ahead([ACCOUNT])
    aws.away = False
    aws.stored |= {"dev/accounts/a": write_credentials(KEY), "dev/accounts/c": "hunter2"}
    await store.read_ahead([AccountId("b"), AccountId("c")])
    assert [await store.credentials(AccountId(name)) for name in "abc"] == [KEY, None, None]


async def test_a_login_is_read_as_it_is_now() -> None:
    """Law: it is found by its whole name and never remembered; without one that can be read, the store is
    unavailable, and the error shows no value."""
    aws, manager = secrets()
    for password in ("first", "second"):
        aws.stored["dev-redis"] = f'{{"username": "services", "password": "{password}"}}'
        assert await manager.login("dev-redis") == Login("services", Secret(password))
    aws.stored["dev-redis"] = '{"username": "services", "secret": "third"}'
    with pytest.raises(
        SecretsUnavailable, match="dev-redis: login: Object missing required field `password`"
    ) as caught:
        await manager.login("dev-redis")
    assert "third" not in str(caught.value)
    with pytest.raises(SecretsUnavailable, match="other: ResourceNotFoundException"):
        await manager.login("other")
    aws.away = True
    with pytest.raises(SecretsUnavailable, match="InternalServiceError"):
        await manager.login("dev-redis")
