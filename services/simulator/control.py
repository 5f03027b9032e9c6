"""The control surface over HTTP: JSON, for tests and demos, never for traders.

- `POST /{venue}/actions`: one action or a list (see `actions`); answers `[{"order_id": ...}, ...]`.
- `GET /{venue}/ledger`, `/{venue}/instruments`, `/{venue}/accounts`; `/{venue}/faults`: how often each kind
  has struck.
- `POST /{venue}/reset`: forgets everything.
"""

from collections.abc import Mapping

import msgspec

from services.simulator.actions import Action, apply
from services.simulator.ledger import to_json
from services.simulator.request import Request, Response
from services.simulator.rules import RefusedError
from services.simulator.venue import Venue


class Control:
    """Answers the control listener."""

    def __init__(self, venues: Mapping[str, Venue]) -> None:
        self._venues = venues

    async def handle(self, request: Request) -> Response:
        name, _, what = request.path.lstrip("/").partition("/")
        venue = self._venues.get(name)
        if venue is None:
            return _error(404, f"venue {name!r} is not simulated; choose one of {', '.join(self._venues)}")
        match request.method, what:
            case "POST", "actions":
                return _act(venue, request.body)
            case "POST", "reset":
                venue.reset()
                return _json({})
            case "GET", "ledger":
                return Response(to_json(venue.exchange.ledger.entries))
            case "GET", "faults":
                return _json(venue.faults.struck)
            case "GET", "instruments":
                return _json(venue.instruments)
            case "GET", "accounts":
                return _json([_account(venue, account) for account in venue.exchange.accounts])
            case _:
                return _error(404, f"{request.method} {request.path}: no such control")


def _act(venue: Venue, body: bytes) -> Response:
    try:
        actions = msgspec.json.decode(body, type=Action | list[Action])
    except msgspec.DecodeError as error:
        return _error(400, f"actions: {error}")
    done: list[dict[str, str]] = []
    for index, action in enumerate(actions if isinstance(actions, list) else [actions]):
        try:
            done.append({"order_id": apply(venue, action)})
        except (RefusedError, ValueError) as error:
            return _error(409, f"action {index} ({type(action).__name__}): {error}; those before it are done")
    return _json(done)


def _account(venue: Venue, name: str) -> dict[str, object]:
    account = venue.exchange.accounts[name]
    return {
        "name": name,
        "uid": account.uid,
        "position_mode": account.position_mode,
        "balances": account.balances,
        "positions": account.held(),
        "sockets": len(venue.sessions(name)),
    }


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value))


def _error(status: int, reason: str) -> Response:
    return Response(msgspec.json.encode({"error": reason}), status)
