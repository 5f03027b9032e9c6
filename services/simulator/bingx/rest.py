"""BingX REST: authentication, limits, expiry and faults around the endpoints."""

from typing import Final

import msgspec
import trio

from services.simulator.bingx import account, spot, trading
from services.simulator.bingx.call import Call, Endpoint
from services.simulator.bingx.codes import BingxError
from services.simulator.bingx.conditionals import Conditionals
from services.simulator.bingx.streams import ListenKeys
from services.simulator.limits import RateLimits
from services.simulator.request import Request, Response
from services.simulator.venue import Venue
from spider_common.clock import NS_PER_MS, NS_PER_S

PREFIX: Final = "/openApi/"
_ENDPOINTS: Final = trading.ENDPOINTS | spot.ENDPOINTS | account.ENDPOINTS
# "The request may have been executed, or it may have failed": the same words whether the venue acted or not.
_NO_ANSWER: Final = Response(b"<html><body>504 Gateway Time-out</body></html>", 504, "text/html")

_IP_WINDOW: Final = 10 * NS_PER_S
_IP_LIMIT: Final = 2000  # calls of one address in that time; here all clients are one address
_STUBBORN: Final = 20  # refused calls of an address in that time, after which it is banned
_BAN: Final = 300 * NS_PER_S


class BingxRest:
    """Answers `/openApi/`."""

    def __init__(self, venue: Venue, keys: ListenKeys) -> None:
        self._venue = venue
        self._keys = keys
        self._conditionals = Conditionals(venue)
        self._limits = RateLimits(NS_PER_S)
        self._address = RateLimits(_IP_WINDOW)
        self._banned_until = 0

    async def handle(self, request: Request) -> Response | None:
        """The answer; None when a fault loses it."""
        now = self._venue.clock.now()
        if (refused := self._check_address(now)) is not None:
            return refused
        if self._venue.closed:
            return _refusal(BingxError("100503"))
        name = request.path.removeprefix(PREFIX)
        endpoint = _ENDPOINTS.get((request.method, name))
        if endpoint is None:
            return _refusal(BingxError("100400"))
        call = Call(self._venue, self._keys, self._conditionals, request, now)
        try:
            if endpoint.private:
                call.authenticate()
                who = (request.method, name, call.account.uid)
                if not self._limits.allow(who, endpoint.limit, now):
                    return _limited(now)
            if endpoint.operation != "query":
                return await self._act(endpoint, call)
            return _ok(endpoint, endpoint.answer(call))
        except BingxError as error:
            return _refusal(error)

    def _check_address(self, now: int) -> Response | None:
        """429 past the address's limit, 418 for one that goes on all the same."""
        if now < self._banned_until:
            return _gateway(418, self._banned_until)
        if self._address.allow(("all",), _IP_LIMIT, now):
            return None
        if not self._address.allow(("refused",), _STUBBORN, now):
            self._banned_until = now + _BAN
        return _gateway(429, now + _IP_WINDOW)

    async def _act(self, endpoint: Endpoint, call: Call) -> Response | None:
        """A request that changes orders, with the faults that strike it."""
        assert endpoint.operation != "query", "queries change nothing"
        struck = self._venue.faults.strike(endpoint.operation, call.account.name)
        if "maintenance" in struck:
            self._venue.close(struck["maintenance"])
            raise BingxError("100503")
        if "error_without_effect" in struck:
            return _NO_ANSWER
        if "hold_request" in struck:
            await trio.sleep(struck["hold_request"].delay / NS_PER_S)
            call.now = self._venue.clock.now()
            call.check_time()
        try:
            answer = _ok(endpoint, endpoint.answer(call))
        except BingxError as error:
            answer = _refusal(error)
        return await self._venue.conclude(
            struck, accepted=call.accepted, answer=answer, bad_gateway=_NO_ANSWER
        )


def _ok(endpoint: Endpoint, data: object) -> Response:
    return _json(data if endpoint.bare else {"code": 0, "msg": "", "debugMsg": "", "data": data})


def _refusal(error: BingxError) -> Response:
    return _json({"code": int(error.code), "msg": error.message, "debugMsg": "", "data": {}})


def _limited(now: int) -> Response:
    body = _refusal(BingxError("100410"))
    expire = str((now + NS_PER_S) // NS_PER_MS)
    headers = (("x-ratelimit-requests-remain", "0"), ("x-ratelimit-requests-expire", expire))
    return msgspec.structs.replace(body, headers=headers)


def _gateway(status: int, until: int) -> Response:
    headers = (("x-ratelimit-requests-expire", str(until // NS_PER_MS)),)
    return Response(b"Too many requests", status, "text/plain", headers)


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body))
