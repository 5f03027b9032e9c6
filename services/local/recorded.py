"""OKX's documented pushes, played again: what they tell happens at the simulated venue.

The venue then pushes frames of the same content itself, through its socket, to the leader's session.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from services.simulator.actions import Amend, Cancel, Place, SetPrice
from services.simulator.okx import recorded
from services.simulator.rules import NewOrder
from services.simulator.scenario import Pause, Step

_FILLED: Final = ("swap_live", "swap_partially_filled", "swap_filled")
_CANCELED: Final = ("swap_live", "swap_amended", "swap_canceled_after_partial_fill")
_ABOVE: Final = Decimal(100)  # where the market stands before a recorded limit buy, over its price
_MS: Final = 1_000_000


def recorded_session(leader: str) -> tuple[Step, ...]:
    """One recorded order to its fill in two parts, then one that is amended, half filled and cancelled."""
    return (*_order(leader, "recorded1", _FILLED), *_order(leader, "recorded2", _CANCELED))


def _order(leader: str, name: str, frames: tuple[str, ...]) -> list[Step]:
    steps: list[Step] = []
    last: dict[str, str] | None = None
    for row in (_row(frame) for frame in frames):
        if last is None:
            steps += [_price(row, Decimal(row["px"]) + _ABOVE), _place(leader, name, row)]
        else:
            steps.append(Pause(duration=(int(row["uTime"]) - int(last["uTime"])) * _MS))
            steps += _change(leader, name, last, row)
        last = row
    return steps


def _change(leader: str, name: str, last: dict[str, str], row: dict[str, str]) -> list[Step]:
    """What happened between two recorded states of an order."""
    steps: list[Step] = []
    symbol = row["instId"]
    if row["state"] == "live":
        size, price = Decimal(row["sz"]), Decimal(row["px"])
        return [Amend(account=leader, symbol=symbol, client_order_id=name, size=size, price=price)]
    filled = Decimal(row["accFillSz"]) - Decimal(last["accFillSz"])
    if filled:
        steps.append(_price(row, Decimal(row["px"]), depth=filled))
    if row["state"] == "canceled":
        steps.append(Cancel(account=leader, symbol=symbol, client_order_id=name))
    return steps


def _place(leader: str, name: str, row: dict[str, str]) -> Place:
    order = NewOrder(
        symbol=row["instId"],
        side="buy" if row["side"] == "buy" else "sell",
        kind="limit",
        size=Decimal(row["sz"]),
        price=Decimal(row["px"]),
        client_order_id=name,
    )
    return Place(account=leader, order=order)


def _price(row: dict[str, str], price: Decimal, depth: Decimal | None = None) -> SetPrice:
    return SetPrice(symbol=row["instId"], price=price, depth=depth)


def _row(frame: str) -> dict[str, str]:
    body: dict[str, Any] = msgspec.json.decode(recorded.read(frame))
    row: dict[str, str] = body["data"][0]
    return row
