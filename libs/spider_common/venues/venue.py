"""The shape of every venue: what the services may ask of one."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.intents import Intent
from spider_common.domain.orders import OrderFact
from spider_common.domain.products import Equity
from spider_common.secret import Credentials
from spider_common.venues.outcomes import Lookup, Outcome, UnreadableFrame


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that a venue told, by socket or by REST."""

    facts: tuple[OrderFact, ...] = ()
    executions: tuple[Execution, ...] = ()
    equities: tuple[Equity, ...] = ()


class Send(msgspec.Struct, frozen=True):
    """A text frame to be sent."""

    text: str


class Ready(msgspec.Struct, frozen=True):
    """The session is logged in and every subscription is acknowledged."""


class Unreadable(msgspec.Struct, frozen=True):
    """A frame we cannot parse, kept whole, with what is wrong in it."""

    frame: str
    error: UnreadableFrame


class Rotate(msgspec.Struct, frozen=True):
    """The venue is about to close the socket: open its replacement first."""

    why: str


class Failed(msgspec.Struct, frozen=True):
    """The session is over. `fatal`: trying again cannot help until an operator acts (a wrong key, say)."""

    why: str
    fatal: bool


SessionEvent = Told | Send | Ready | Unreadable | Rotate | Failed


class SessionProtocol(Protocol):
    """One private socket's conversation, sans-I/O: frames and the time in, events out."""

    def opened(self, now: int) -> Sequence[SessionEvent]:
        """The socket is open. `now`: Unix ns, here and below."""
        ...

    def received(self, frame: str | bytes, now: int) -> Sequence[SessionEvent]:
        """A frame has come."""
        ...

    def due(self) -> int:
        """When `tick` wants to be called, Unix ns."""
        ...

    def tick(self, now: int) -> Sequence[SessionEvent]:
        """Time has passed: heartbeats and timeouts."""
        ...


class VenueClient(Protocol):
    """A venue's REST side. One for all accounts of the venue: connections are shared.

    Queries raise `VenueError` when the venue does not answer as documented; `place` and `find` never
    do, they return what is known.
    """

    async def instruments(self) -> Sequence[Instrument]: ...

    async def ready_to_place(self, intent: Intent) -> None:
        """Waits until the venue's rate limits let one more order of this account and instrument in."""
        ...

    async def place(self, credentials: Credentials, intent: Intent, *, expires: int) -> Outcome:
        """Sends one order. The venue itself drops the request when it arrives after `expires` (Unix ns)."""
        ...

    async def find(self, credentials: Credentials, intent: Intent) -> Lookup:
        """Looks an order up by its client order id: open, then history."""
        ...

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        """What REST knows of an account: open orders, fills and the orders made or filled since `since`
        (Unix ns), equity."""
        ...

    def session(self, credentials: Credentials, account: AccountId) -> SessionProtocol:
        """A new conversation for a private socket of the account."""
        ...

    @property
    def socket_url(self) -> str: ...

    @property
    def known_instruments(self) -> InstrumentList: ...
