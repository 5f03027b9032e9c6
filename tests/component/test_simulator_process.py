"""The simulator as its own process."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from services.simulator.__main__ import read_settings
from spider_common.network import SystemNetwork

ROOT = Path(__file__).parents[2]


@pytest.mark.processes
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_stops_when_told(stop):
    """One JSON line with the addresses; the control surface answers; SIGTERM and SIGINT end it with 0."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'libs'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "services.simulator"]
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            start = partial(trio.run_process, command, stdout=subprocess.PIPE, env=environment, check=False)
            process = await nursery.start(start)
            line = b""
            while not line.endswith(b"\n"):
                line += await process.stdout.receive_some()
            addresses = json.loads(line)
            stream = await SystemNetwork().connect(addresses["host"], addresses["control_port"])
            async with stream:
                await stream.send_all(b"GET /okx/ledger HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                answer = b""
                while part := await stream.receive_some():
                    answer += part
            assert answer.endswith(b"\r\n\r\n[]")
            process.send_signal(stop)
    assert process.returncode == 0


@pytest.mark.parametrize(("name", "value"), [("REST_PORT", "many"), ("REST_PRT", "1"), ("SEED", "1.5")])
def test_bad_settings_are_named(name, value):
    """An unknown or malformed variable is an error that names it."""
    with pytest.raises(ValueError, match=f"(?i){name}"):
        read_settings({f"SPIDER_SIMULATOR_{name}": value, "HOME": "/"})


def test_settings_come_from_the_environment():
    """Only variables with the simulator's prefix count."""
    settings = read_settings({"SPIDER_SIMULATOR_REST_PORT": "8081", "SPIDER_OMS_PORT": "x"})
    assert settings.rest_port == 8081
