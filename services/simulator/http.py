"""A small HTTP/1.1 server on a Trio listener (RFC 9112, parsed by h11)."""

from functools import partial
from typing import Final

import h11
import trio

from services.simulator.request import Handle, Request, Response

_MAX_HEADERS: Final = 64 * 1024  # bytes
_MAX_BODY: Final = 1024 * 1024  # bytes
_READ: Final = 64 * 1024  # bytes a receive
_IDLE: Final = 75.0  # seconds a keep-alive connection may stay silent


class _TooLargeError(Exception):
    pass


async def serve_http(
    listener: trio.abc.Listener[trio.abc.Stream],
    handle: Handle,
    *,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves connections until cancelled."""
    await trio.serve_listeners(partial(_converse, handle), [listener], task_status=task_status)


async def _converse(handle: Handle, stream: trio.abc.Stream) -> None:
    """One connection: request after request while both sides keep it alive."""
    async with stream:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEADERS)
        try:
            while True:
                request = await _receive(connection, stream)
                if request is None:
                    return
                response = await handle(request)
                if response is None:
                    return
                await _send(connection, stream, response)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()
        except _TooLargeError:
            await _refuse(connection, stream, 413, "the body is larger than 1 MiB")
        except h11.RemoteProtocolError as error:
            await _refuse(connection, stream, error.error_status_hint, f"malformed request: {error}")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the client went away


async def _receive(connection: h11.Connection, stream: trio.abc.Stream) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[])
                await stream.send_all(connection.send(proceed) or b"")
            with trio.move_on_after(_IDLE) as idle:
                received = await stream.receive_some(_READ)
            if idle.cancelled_caught:
                return None
            connection.receive_data(bytes(received))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MAX_BODY:
                raise _TooLargeError
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None, "h11 yields the request first"
            return Request(
                method=head.method.decode(),
                target=head.target.decode("latin-1"),
                headers={name.decode(): value.decode("latin-1") for name, value in head.headers},
                body=bytes(body),
            )
        else:  # ConnectionClosed, or PAUSED after an upgrade request that this server does not take
            return None


async def _send(connection: h11.Connection, stream: trio.abc.Stream, response: Response) -> None:
    head = h11.Response(
        status_code=response.status,
        headers=[
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *response.headers,
        ],
    )
    parts = (head, h11.Data(data=response.body), h11.EndOfMessage())
    await stream.send_all(b"".join(connection.send(part) or b"" for part in parts))


async def _refuse(connection: h11.Connection, stream: trio.abc.Stream, status: int, reason: str) -> None:
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    try:
        await _send(connection, stream, Response(reason.encode(), status, "text/plain"))
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.LocalProtocolError):
        return
