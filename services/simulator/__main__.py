"""`python -m services.simulator`: the simulator as its own process.

Settings come from the environment: SPIDER_SIMULATOR_HOST, _REST_PORT, _SOCKET_PORT, _CONTROL_PORT (0: any
free one) and _SEED. Prints its addresses as one JSON line; SIGTERM or SIGINT stops it.
"""

import os
import random
import signal
import sys
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec
import trio

from services.simulator.simulator import Simulator, SimulatorConfig, serve_simulator
from spider_common.clock import SystemClock
from spider_common.network import SystemNetwork

_PREFIX: Final = "SPIDER_SIMULATOR_"


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    rest_port: int = 0
    socket_port: int = 0
    control_port: int = 0
    seed: int = 0


def read_settings(environment: Mapping[str, str]) -> _Settings:
    """Raises ValueError: names the variable that is unknown or has the wrong form."""
    named = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_PREFIX)
    }
    try:
        return msgspec.convert(named, type=_Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{_PREFIX}*: {error} (the names after {_PREFIX} in lower case)") from None


async def _run(settings: _Settings) -> None:
    config = SimulatorConfig(
        host=settings.host,
        rest_port=settings.rest_port,
        socket_port=settings.socket_port,
        control_port=settings.control_port,
    )
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(
                serve_simulator,
                config,
                network=SystemNetwork(),
                clock=SystemClock(),
                rng=random.Random(settings.seed),  # noqa: S311 connection ids, nothing secret
            )
            running: Simulator = await nursery.start(serve, name="simulator")
            sys.stdout.write(msgspec.json.encode(running.addresses).decode() + "\n")
            sys.stdout.flush()
            async for _ in signals:
                nursery.cancel_scope.cancel()


def main() -> None:
    try:
        settings = read_settings(os.environ)
    except ValueError as error:
        sys.exit(str(error))
    trio.run(_run, settings)


if __name__ == "__main__":
    main()
