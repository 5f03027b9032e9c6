"""Cancels a call at every checkpoint it has, one run for each, and has the caller check after each run."""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import trio


@types.coroutine
def _watched(
    call: Coroutine[Any, Any, object], on_checkpoint: Callable[[], None]
) -> Generator[Any, Any, object]:
    """Runs `call`; `on_checkpoint` is called each time it is about to hand control to Trio."""
    value: object = None
    error: BaseException | None = None
    while True:
        try:
            trap = call.send(value) if error is None else call.throw(error)
        except StopIteration as stop:
            return stop.value
        on_checkpoint()
        value = error = None
        try:
            value = yield trap
        except BaseException as thrown:  # noqa: BLE001 handed on to the call
            error = thrown


async def cancel_at_every_checkpoint(
    call: Callable[[], Coroutine[Any, Any, object]], check: Callable[[bool], Awaitable[None]]
) -> int:
    """Runs `call` cancelled at its 1st checkpoint, then at its 2nd, ... until a run ends uncancelled.

    After each run `check(cancelled)` is awaited: there the caller proves that everything the call
    touched still agrees. `cancelled` is False when the run ended before its cancellation could reach it.

    Returns the number of checkpoints the last run had.
    """
    aim = 0
    while True:
        aim += 1
        passed = 0
        with trio.CancelScope() as scope:

            def on_checkpoint(scope: trio.CancelScope = scope, aim: int = aim) -> None:
                nonlocal passed
                passed += 1
                if passed == aim:
                    scope.cancel()

            await _watched(call(), on_checkpoint)
        await check(scope.cancelled_caught)
        if passed < aim:
            return passed
