"""OKX REST v5: authentication, limits, deadlines and faults around the endpoints."""

from typing import Final

import msgspec
import trio

from services.simulator.limits import RateLimits
from services.simulator.okx import account, trading
from services.simulator.okx.algos import Algos
from services.simulator.okx.auth import authenticate
from services.simulator.okx.call import Call, Endpoint
from services.simulator.okx.codes import OkxError
from services.simulator.okx.shapes import Fields
from services.simulator.request import Request, Response
from services.simulator.venue import Venue
from spider_common.clock import NS_PER_MS, NS_PER_S

PREFIX: Final = "/api/v5/"
# What a gateway in front of the venue says: the same words whether the venue acted or not.
_BAD_GATEWAY: Final = Response(b"<html><body>502 Bad Gateway</body></html>", 502, "text/html")


class OkxRest:
    """Answers `/api/v5/`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._endpoints = trading.ENDPOINTS | account.ENDPOINTS | Algos(venue).endpoints()
        self._limits = RateLimits()

    async def handle(self, request: Request) -> Response | None:
        """The answer; None when a fault loses it."""
        arrived = self._venue.clock.now()
        try:
            name = request.path.removeprefix(PREFIX)
            endpoint = self._find(request.method, name)
            owner = None
            if endpoint.private:
                owner = authenticate(request, self._venue.account_of_key, arrived)
            call = Call(self._venue, self._limits, request, owner, arrived)
            self._limit(endpoint, name, call)
            if endpoint.operation != "query":
                return await self._act(endpoint, call)
            return _ok(endpoint.answer(call), call)
        except OkxError as error:
            return _json({"code": error.code, "data": [], "msg": error.message}, error.status)

    async def _act(self, endpoint: Endpoint, call: Call) -> Response | None:
        """A request that changes orders, with the faults that strike it."""
        assert endpoint.operation != "query", "queries change nothing"
        struck = self._venue.faults.strike(endpoint.operation, call.account.name)
        if "maintenance" in struck:
            self._venue.close(struck["maintenance"])
            raise OkxError("50001")
        if "error_without_effect" in struck:
            return _BAD_GATEWAY
        if endpoint.operation != "cancel":
            _in_time(call, "50036")
        if "hold_request" in struck:
            await trio.sleep(struck["hold_request"].delay / NS_PER_S)
            call.now = self._venue.clock.now()
            if endpoint.operation != "cancel":
                _in_time(call, "50037")
        rows = endpoint.answer(call)
        failed = sum(row["sCode"] != "0" for row in rows)
        code = "0" if not failed else "1" if failed == len(rows) else "2"
        message = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded."}[code]
        return await self._venue.conclude(
            struck, accepted=call.accepted, answer=_ok(rows, call, code, message), bad_gateway=_BAD_GATEWAY
        )

    def _find(self, method: str, name: str) -> Endpoint:
        if self._venue.closed:
            raise OkxError("50001")
        endpoint = self._endpoints.get((method, name))
        if endpoint is None:
            known = any(path == name for _, path in self._endpoints)
            raise OkxError("50115" if known else "404")
        return endpoint

    def _limit(self, endpoint: Endpoint, name: str, call: Call) -> None:
        """50011: more calls than the endpoint takes; orders count by account and instrument."""
        who = call.account.uid if endpoint.private else call.query.get("instType", "")
        keys = [(endpoint.operation, name, who)]
        if endpoint.operation != "query":
            keys = [(endpoint.operation, name, f"{who}:{_instrument(raw)}") for raw in call.items()]
        elif name == "trade/order":
            keys = [(endpoint.operation, name, f"{who}:{call.query.get('instId', '')}")]
        for key in keys:
            if not self._limits.allow(key, endpoint.limit, call.now):
                raise OkxError("50011")


class _Aimed(msgspec.Struct, rename="camel"):
    inst_id: str = ""


def _instrument(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Aimed).inst_id
    except msgspec.DecodeError:
        return ""  # the endpoint says what is wrong with it


def _in_time(call: Call, code: str) -> None:
    """The request's own deadline: header expTime, Unix ms (documentation, "Transaction Timeouts")."""
    deadline = call.request.headers.get("exptime", "")
    if not deadline:
        return
    if not (deadline.isascii() and deadline.isdigit()):
        raise OkxError("51000", "expTime")
    if call.now > int(deadline) * NS_PER_MS:
        raise OkxError(code)


def _ok(rows: list[Fields], call: Call, code: str = "0", message: str = "") -> Response:
    body: Fields = {"code": code, "data": rows, "msg": message}
    if call.request.method == "POST":
        body |= {"inTime": str(call.now // 1000), "outTime": str(call.venue.clock.now() // 1000)}
    return _json(body, 200)


def _json(body: Fields, status: int) -> Response:
    return Response(msgspec.json.encode(body), status)
