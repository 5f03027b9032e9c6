"""What two events of a leader ask of the followers, as the model plays it."""

from decimal import Decimal
from typing import Final

from spider_common.domain.identifiers import ClientId, ClientOrderId, VenueOrderId
from spider_common.domain.intents import Action, Intent
from spider_common.domain.orders import OrderType, Side
from spider_common.domain.positions import LegKind
from spider_common.domain.quantities import ZERO
from tests import strategies
from tests.models.parts import NARROW, Script

LEADERS: Final = VenueOrderId("1")
FIRST: Final = ClientOrderId("first")


def _fill(name: str, leg: LegKind, client: str = "alice") -> Intent:
    return strategies.intent(
        client_order_id=ClientOrderId(name),
        client=ClientId(client),
        leg=leg,
        side=Side.BUY if leg is LegKind.OPEN else Side.SELL,
        size=Decimal(1),
    )


def _rest(
    name: str, action: Action, terms: int = 0, acts_on: ClientOrderId | None = None, client: str = "alice"
) -> Intent:
    return strategies.intent(
        client_order_id=ClientOrderId(name),
        client=ClientId(client),
        action=action,
        order_type=OrderType.LIMIT,
        price=Decimal(terms) if terms else None,
        quantity=Decimal(1) if terms else ZERO,
        size=Decimal(1) if terms else ZERO,
        counted=False,
        mirrors=LEADERS,
        acts_on=acts_on,
    )


BUY_AND_SELL: Final = Script(rows=((_fill("buy", LegKind.OPEN),), (_fill("sale", LegKind.CLOSE),)))
PLACE_AND_AMEND: Final = Script(
    rows=((_rest("order", Action.PLACE, 1),), (_rest("amend", Action.AMEND, 2, ClientOrderId("order")),))
)
PLACE_AND_CANCEL: Final = Script(
    rows=((_rest("order", Action.PLACE, 1),), (_rest("cancel", Action.CANCEL, 0, ClientOrderId("order")),))
)
AMEND_TWICE: Final = Script(
    rows=((_rest("amend", Action.AMEND, 2, FIRST),), (_rest("back", Action.AMEND, 3, FIRST),)),
    there=(FIRST,),
    fills=True,
)
REPLACE_TWICE: Final = Script(
    rows=(
        (_rest("second", Action.AMEND, 2, FIRST),),
        (_rest("third", Action.AMEND, 3, ClientOrderId("second")),),
    ),
    there=(FIRST,),
    fills=True,
    replaces=True,
)
REPLACE_AND_CANCEL: Final = Script(
    rows=(
        (_rest("second", Action.AMEND, 2, FIRST),),
        (
            _rest("cancel first", Action.CANCEL, 0, FIRST),
            _rest("cancel second", Action.CANCEL, 0, ClientOrderId("second")),
        ),
    ),
    there=(FIRST,),
    fills=True,
    replaces=True,
    whims=False,
)
MOVE_AND_CANCEL: Final = Script(
    rows=(
        (_rest("cancel", Action.CANCEL, 0, FIRST), _rest("moved", Action.PLACE, 2, FIRST)),
        (
            _rest("cancel again", Action.CANCEL, 0, FIRST),
            _rest("cancel moved", Action.CANCEL, 0, ClientOrderId("moved")),
        ),
    ),
    there=(FIRST,),
    fills=True,
    timing=NARROW,
)
TWO_FOLLOWERS: Final = Script(
    rows=(
        (_fill("buy", LegKind.OPEN), _fill("bob's buy", LegKind.OPEN, "bob")),
        (_fill("sale", LegKind.CLOSE), _fill("bob's sale", LegKind.CLOSE, "bob")),
    ),
    calm=frozenset({ClientId("bob")}),
    whims=False,
    timing=NARROW,
)
