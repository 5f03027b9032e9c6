"""Bitget REST v2: authentication, limits, request age and faults around the endpoints."""

from typing import Final

import msgspec
import trio

from services.simulator.bitget import account, spot, trading
from services.simulator.bitget.auth import authenticate, check_age
from services.simulator.bitget.call import Call, Closing, Endpoint
from services.simulator.bitget.codes import BitgetError
from services.simulator.bitget.plans import Plans
from services.simulator.bitget.spot_plans import SpotPlans
from services.simulator.bitget.waiting import Waiting
from services.simulator.limits import RateLimits
from services.simulator.request import Request, Response
from services.simulator.venue import Venue
from spider_common.clock import NS_PER_MS, NS_PER_S

PREFIX: Final = "/api/v2/"
_PER_ADDRESS: Final = 6000  # calls a minute of one address, and all callers here share one
# What a gateway in front of the venue says: the same words whether the venue acted or not.
_BAD_GATEWAY: Final = Response(b"<html><body>502 Bad Gateway</body></html>", 502, "text/html")


class BitgetRest:
    """Answers `/api/v2/`. `closing`: what ``side`` means for closing orders in hedge mode."""

    def __init__(self, venue: Venue, closing: Closing = "position") -> None:
        self._venue, self._closing = venue, closing
        waiting = Waiting(venue)
        self._endpoints = (
            trading.ENDPOINTS
            | account.ENDPOINTS
            | spot.ENDPOINTS
            | Plans(waiting).endpoints()
            | SpotPlans(waiting).endpoints()
        )
        self._second = RateLimits(NS_PER_S)
        self._minute = RateLimits(60 * NS_PER_S)

    async def handle(self, request: Request) -> Response | None:
        """The answer; None when a fault loses it."""
        try:
            endpoint, call = self._admit(request, self._venue.clock.now())
            if endpoint.operation != "query":
                return await self._act(endpoint, call)
            return self._reply("00000", "success", endpoint.answer(call), 200)
        except BitgetError as error:
            return self._reply(error.code, error.message, None, error.status)

    def _admit(self, request: Request, now: int) -> tuple[Endpoint, Call]:
        """Raises BitgetError: 40200 maintenance, 40404 no such path, 429 too many calls, and those of
        `authenticate`."""
        if self._venue.closed:
            raise BitgetError("40200")
        name = request.path.removeprefix(PREFIX)
        endpoint = self._endpoints.get((request.method, name))
        if endpoint is None:
            raise BitgetError("40404")
        owner = authenticate(request, self._venue.account_of_key, now) if endpoint.private else None
        who = owner.uid if owner is not None else ""
        of_account = self._second.allow((name, who), endpoint.limit, now)
        if not (of_account and self._minute.allow((), _PER_ADDRESS, now)):
            raise BitgetError("429")
        return endpoint, Call(self._venue, request, owner, now, self._closing)

    async def _act(self, endpoint: Endpoint, call: Call) -> Response | None:
        """A request that changes orders, with the faults that strike it."""
        assert endpoint.operation != "query", "queries change nothing"
        struck = self._venue.faults.strike(endpoint.operation, call.account.name)
        if "maintenance" in struck:
            self._venue.close(struck["maintenance"])
            raise BitgetError("40200")
        if "error_without_effect" in struck:
            return _BAD_GATEWAY
        if "hold_request" in struck:
            await trio.sleep(struck["hold_request"].delay / NS_PER_S)
            call.now = self._venue.clock.now()
            check_age(call.request, call.now)
        try:
            done = self._reply("00000", "success", endpoint.answer(call), 200)
        except BitgetError as error:
            done = self._reply(error.code, error.message, None, error.status)
        return await self._venue.conclude(
            struck, accepted=call.accepted, answer=done, bad_gateway=_BAD_GATEWAY
        )

    def _reply(self, code: str, message: str, rows: object, status: int) -> Response:
        now = self._venue.clock.now() // NS_PER_MS
        body = {"code": code, "msg": message, "requestTime": now, "data": rows}
        return Response(msgspec.json.encode(body), status)
