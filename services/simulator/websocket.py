"""A WebSocket server on a Trio listener (RFC 6455, by trio-websocket), routed by path."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import trio
import trio_websocket

_MAX_MESSAGE: Final = 64 * 1024  # bytes; a longer one closes the socket with 1009
_HANDSHAKE: Final = 10.0  # seconds for the upgrade request to arrive
_CLOSE: Final = 5.0  # seconds for the client to answer a close frame

Converse = Callable[[trio_websocket.WebSocketConnection], Awaitable[int | None]]
"""Holds one conversation. Returns the close code, or None to break the connection without a close frame."""


async def serve_websocket(
    listener: trio.abc.Listener[trio.abc.Stream],
    routes: Mapping[str, Converse],
    *,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves connections until cancelled. A path without a route is refused with 404."""
    await trio.serve_listeners(partial(_connection, routes), [listener], task_status=task_status)


async def _connection(routes: Mapping[str, Converse], stream: trio.abc.Stream) -> None:
    try:
        async with trio.open_nursery() as nursery:
            await _upgraded(routes, stream, nursery)
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


async def _upgraded(routes: Mapping[str, Converse], stream: trio.abc.Stream, nursery: trio.Nursery) -> None:
    try:
        with trio.fail_after(_HANDSHAKE):
            request = await trio_websocket.wrap_server_stream(nursery, stream, max_message_size=_MAX_MESSAGE)
            converse = routes.get(request.path.partition("?")[0])
            if converse is None:
                await request.reject(404, body=b"no such socket")
                return
            websocket = await request.accept()
        code = await converse(websocket)
        if code is not None:
            with trio.move_on_after(_CLOSE):
                await websocket.aclose(code)
    except (trio_websocket.ConnectionClosed, trio.TooSlowError):
        return  # the client went away, or never asked for an upgrade
