"""What every venue's private socket has: an outbox that a slow reader may fall behind, an end, a deadline."""

import contextlib
from collections.abc import Callable
from typing import Final

import trio
import trio_websocket

from services.simulator.accounts import Account
from services.simulator.venue import Session, Venue

_OUTBOX: Final = 1024  # frames a slow reader may fall behind before the venue closes


class Conversation(Session):
    """One connection's state. A venue's dialect adds what is said; everything here is synchronous.

    `quiet_s`: how long the client may stay silent; `quiet_code` closes the socket then. `full_code` closes it
    when the client does not read.
    """

    def __init__(self, *, quiet_s: float, quiet_code: int | None, full_code: int | None) -> None:
        self._outbox, self.sending = trio.open_memory_channel[str | bytes](_OUTBOX)
        self._quiet_s, self._full_code = quiet_s, full_code
        self.close_code = quiet_code
        self.scope = trio.CancelScope(deadline=trio.current_time() + quiet_s)
        self.on_login: Callable[[Account], object] = lambda _: None
        self.finished = False

    def receive(self, message: str | bytes) -> None:
        """Answers one frame."""
        raise NotImplementedError

    def drop(self) -> None:
        self.end(None)

    def heard(self) -> None:
        """The client gave a sign of life."""
        self.scope.deadline = trio.current_time() + self._quiet_s

    def put(self, frame: str | bytes) -> None:
        """Sends a frame, after those before it."""
        if self.scope.cancel_called or self.finished:
            return  # it is closing
        try:
            self._outbox.send_nowait(frame)
        except trio.WouldBlock:
            self.end(self._full_code)

    def finish(self, code: int | None) -> None:
        """Closes once what was said is sent."""
        self.close_code, self.finished = code, True
        self._outbox.close()

    def end(self, code: int | None) -> None:
        """Closes now; what was not sent is lost."""
        self.close_code = code
        self.scope.cancel()


async def converse(
    websocket: trio_websocket.WebSocketConnection, session: Conversation, venue: Venue
) -> int | None:
    """Holds the conversation. Returns the code to close with; None: it broke."""
    with contextlib.ExitStack() as attachment, session.scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_write, websocket, session, name=f"{venue.name}.socket.write")
            session.on_login = lambda account: attachment.enter_context(venue.attached(account, session))
            with contextlib.suppress(trio_websocket.ConnectionClosed):
                while True:
                    session.receive(await websocket.get_message())
            nursery.cancel_scope.cancel()
    return session.close_code


async def _write(websocket: trio_websocket.WebSocketConnection, session: Conversation) -> None:
    with contextlib.suppress(trio_websocket.ConnectionClosed):  # the reader sees it too, and ends the session
        async for frame in session.sending:
            await websocket.send_message(frame)
        session.scope.cancel()  # the session has said its last
