"""A fourth venue: whole for the services, and small because it speaks our own form, JSON of `Told`."""

import msgspec

from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import KeyPermissions
from spider_common.venues import outcomes
from spider_common.venues.venue import PRIVATE, Capabilities, Failed, Listing, Ready, Send, Told, Unreadable
from tests.strategies import swap

SEAT = Venue.OKX  # for a test; a venue that stays has its own name in `Venue`
SWAP = swap(SEAT, "BTC-USDT-SWAP", contract_size="0.01", lot="0.1", minimum="0.1")


def read(frame):
    try:
        return msgspec.json.decode(frame, type=Told)
    except msgspec.DecodeError as error:
        raise outcomes.UnreadableFrame(f"frame: {error}") from error


class PaperSession:
    def __init__(self, key):
        self._key, self._heard = key, 0

    def opened(self, now):
        self._heard = now
        return [Send(f"login {self._key}")]

    def due(self):
        return self._heard + 30 * 10**9

    def tick(self, now):
        return [Failed("nothing heard for 30 s", fatal=False)] if now >= self.due() else []

    def received(self, frame, now):
        self._heard = now
        try:
            return [Ready()] if frame == "welcome" else [read(frame)]
        except outcomes.UnreadableFrame as error:
            return [Unreadable(frame, error)]


class PaperClient:
    venue, known_instruments, sockets = SEAT, InstrumentList([SWAP]), (PRIVATE,)
    capabilities = Capabilities(
        amends="",
        names_parent=False,
        fires_by_name=False,
        expiry="",
        batch_orders=1,
        hedge_mode=False,
        sockets=None,
        limits={},
    )

    def __init__(self, ask, url, clock):
        self._ask, self._url, self._clock = ask, url, clock

    async def instruments(self):
        return self.learn(await self.listing())

    async def listing(self):
        return Listing()

    def learn(self, listing):
        return [SWAP]

    async def nothing_to_wait_for(self, *_, **__):
        return True

    ready_to_connect = ready_to_place = keep_alive = nothing_to_wait_for

    async def place(self, credentials, order, *, expires):
        """The answer is the order's id, or what is wrong; or it is lost, and nothing is known."""
        if not SWAP.takes(order.size, order.price):
            return outcomes.Refused(Reason.INSTRUMENT_CHANGED)
        try:
            answer = await self._ask("place", order, expires)
        except outcomes.VenueError as error:
            return outcomes.Unknown(str(error))
        return outcomes.Accepted(answer) if answer.isdigit() else outcomes.Rejected("no", answer)

    async def find(self, credentials, order):
        try:
            told = await self.sweep(credentials, order.account.account, since=0)
        except outcomes.VenueError as error:
            return outcomes.Unknown(str(error))
        named = (fact for fact in told.facts if fact.client_order_id == order.client_order_id)
        return next(map(outcomes.Found, named), outcomes.NotFound())

    async def sweep(self, credentials, account, *, since):
        return read(await self._ask("orders", account, 0))

    async def cannot(self, *_, **__):
        return outcomes.Refused(Reason.NOT_AMENDABLE)

    cancel = amend = set_leverage = set_hedge_mode = cannot

    async def marks(self):
        return {}

    async def server_time(self):
        return self._clock.now()

    async def permissions(self, credentials):
        return KeyPermissions(read=True, trade=True, withdraw=False)

    def session(self, credentials, account, socket):
        return PaperSession(credentials.key.reveal())

    async def socket_url(self, credentials, socket):
        return self._url
