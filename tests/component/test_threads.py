"""The law of threads: the copy path starts none."""

import random
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio._threads
from trio.testing import MockClock

from services.local.seed import LEADER, seed
from services.local.world import open_world
from services.simulator.actions import Place, apply
from services.simulator.rules import NewOrder
from spider_common.clock import TrioClock
from spider_common.domain.journal import Timing
from tests.oms_rig import ORIGIN

ALLOWED = frozenset({"getaddrinfo"})
"""What may run in a worker thread: look-ups of names, which the system's resolver makes blocking."""


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was handed to a thread, Trio's workers and any other."""
    started: list[str] = []
    start_thread, to_worker = threading.Thread.start, trio._threads.start_thread_soon

    def start(thread: threading.Thread) -> None:
        if not thread.name.startswith(
            "Trio thread"
        ):  # a worker as such does nothing: what it is given counts
            started.append(thread.name)
        start_thread(thread)

    def start_soon(
        function: Callable[[], Any], deliver: Callable[[Any], Any], name: str | None = None
    ) -> None:
        started.append(name or "unnamed")
        to_worker(function, deliver, name)

    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr(trio._threads, "start_thread_soon", start_soon)
    return started


async def test_a_copy_starts_no_thread(threads: list[str], autojump_clock: MockClock) -> None:
    """From the start of both services over a copy and its sweeps to their end."""
    rng, lines = random.Random(7), list[str]()
    async with (
        open_world(seed(rng), clock=TrioClock(ORIGIN), rng=rng, timing=Timing(), write=lines.append) as world,
        trio.open_nursery() as nursery,
    ):
        stop = trio.Event()
        await nursery.start(lambda task_status: world.serve_ingest(stop=stop, task_status=task_status))
        await nursery.start(lambda task_status: world.serve_oms("one", stop=stop, task_status=task_status))
        order = NewOrder(symbol="BTC-USDT-SWAP", side="buy", kind="market", size=Decimal(100))
        apply(world.simulator.okx, Place(account=LEADER, order=order))
        await trio.sleep(180)
        stop.set()
    assert any('"event.copied"' in line and '"accepted": 5' in line for line in lines)
    assert [name for name in threads if not any(each in name for each in ALLOWED)] == []
    assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0


async def test_threads_are_seen(threads: list[str]) -> None:
    """The fixture above counts what runs in a worker thread and any thread of one's own."""
    await trio.to_thread.run_sync(int, thread_name="worker")
    await trio.socket.getaddrinfo("localhost", 80)
    own = threading.Thread(target=int, name="own")
    own.start()
    own.join()
    assert "worker" in threads
    assert "own" in threads
    assert any("getaddrinfo" in name for name in threads)
