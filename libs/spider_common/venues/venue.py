"""The shape of every venue: what the services may ask of one."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import SPOT_MARK, Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.orders import OrderFact
from spider_common.domain.products import Account, Equity, MarginMode
from spider_common.domain.requests import (
    Amendment,
    KeyPermissions,
    OrderRef,
    OrderRequest,
    PositionFact,
)
from spider_common.secret import Credentials
from spider_common.venues.outcomes import Lookup, Outcome, UnreadableFrame
from spider_common.venues.rows import Row

PRIVATE: Final = "private"
"""The name of a venue's only or most telling private socket."""
SPOT: Final = "spot"
"""The name of a socket for those pairs alone whose symbols end in `SPOT_MARK`, where a venue has one."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that a venue told, by socket or by REST.

    `whole`: kinds of which `positions` names all that the account holds; what it leaves out is flat.
    """

    facts: tuple[OrderFact, ...] = ()
    executions: tuple[Execution, ...] = ()
    equities: tuple[Equity, ...] = ()
    positions: tuple[PositionFact, ...] = ()
    whole: tuple[InstrumentKind, ...] = ()


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


class KeepAlive(msgspec.Struct, frozen=True):
    """The session's key wants to be extended: call `VenueClient.keep_alive`."""


class Failed(msgspec.Struct, frozen=True):
    """The session is over. `fatal`: trying again cannot help until an operator acts (a wrong key, say)."""

    why: str
    fatal: bool


SessionEvent = Told | Send | Ready | Unreadable | Rotate | KeepAlive | Failed


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


def socket_of(symbol: str, sockets: Sequence[str]) -> str:
    """Which of a venue's sockets tells the fills of an instrument."""
    return SPOT if SPOT in sockets and symbol.endswith(SPOT_MARK) else PRIVATE


class Listing(msgspec.Struct, frozen=True):
    """The venue's own rows of what it trades, as its REST endpoints give them."""

    swaps: Sequence[Row] = ()
    spots: Sequence[Row] = ()


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue can do and how much of it: for people (`spider venues`) and for choosing a way.

    Attributes:
        amends: "amend" keeps the order, "replace" makes a new one of it.
        fires_by_name: what a conditional order of ours has become is told under our client order id.
        names_parent: every fact of an order that a conditional order has become names that one. Where some do
            not, none does: an order must not be taken for two.
        expiry: what makes the venue refuse a request that arrives late.
        batch_orders: orders a request at the most; 1 where there is no batch.
        sockets: private sockets that one address may have open; None where the venue names no number.
    """

    amends: str
    names_parent: bool
    fires_by_name: bool
    expiry: str
    batch_orders: int
    hedge_mode: bool
    sockets: int | None
    limits: Mapping[str, str]


class VenueClient(Protocol):
    """A venue's REST side. One for all accounts of the venue: connections are shared.

    Writes return an `Outcome` and never raise for what a venue does. Queries raise `VenueError` when the
    venue does not answer as documented; `find` returns what is known.
    """

    @property
    def venue(self) -> Venue: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def known_instruments(self) -> InstrumentList: ...

    async def instruments(self) -> Sequence[Instrument]:
        """What can be traded; also what every other method knows from then on."""
        ...

    async def listing(self) -> Listing:
        """The same as the venue tells it: what `learn` is given, now or when the venue is away."""
        ...

    def learn(self, listing: Listing) -> Sequence[Instrument]:
        """What a listing says can be traded; also what every other method knows from then on.

        Raises:
            UnreadableFrame: a row is not as documented; nothing was learnt.
        """
        ...

    async def marks(self) -> Mapping[str, Mark]:
        """What each known instrument is worth now, by its symbol; one without a price is left out."""
        ...

    async def ready_to_place(self, order: OrderRequest, *, patience_s: float = math.inf) -> bool:
        """Waits until the venue's rate limits let one more order of this account and instrument in; False:
        they have not within the patience."""
        ...

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        """Sends one order. The venue itself drops the request when it arrives after `expires` (Unix ns)."""
        ...

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        """Asks to take an order back. Accepted means that the request was."""
        ...

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """Changes an open order, or replaces it where the venue has no other way."""
        ...

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        """Looks an order up by its client order id: open, then history."""
        ...

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        """What REST knows of an account: open orders, orders and fills since `since` (Unix ns), equity,
        positions."""
        ...

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome: ...

    async def set_hedge_mode(self, credentials: Credentials, account: Account, *, hedge: bool) -> Outcome: ...

    async def server_time(self) -> int:
        """The venue's clock, Unix ns."""
        ...

    async def permissions(self, credentials: Credentials) -> KeyPermissions: ...

    @property
    def sockets(self) -> tuple[str, ...]:
        """The names of the private sockets that an account needs, all of them, `PRIVATE` first."""
        ...

    async def ready_to_connect(self) -> None:
        """Waits until the venue lets one more socket of this address be opened."""
        ...

    def session(self, credentials: Credentials, account: AccountId, socket: str = PRIVATE) -> SessionProtocol:
        """A new conversation for a private socket of the account. `socket`: one of `sockets`."""
        ...

    async def socket_url(self, credentials: Credentials, socket: str = PRIVATE) -> str:
        """Where that socket is. BingX makes a listen key for each."""
        ...

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Extends the key that a socket's address holds; nothing to do where there is none."""
        ...
