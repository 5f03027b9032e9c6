"""What executions add up to: the position that a client holds for one product, and what it has earned.

Profit and loss are in the instrument's settlement currency and leave out fees, which stand beside them by
currency, and funding, which venues pay by position and not by fill: an account's equity has it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import ClientId, ProductId, TradeId
from spider_common.domain.orders import PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.quantities import ZERO


class AttributedExecution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fill of a follower's order, and whose it is.

    Attributes:
        coin: of spot, the coin that is bought and sold; empty of swaps.
    """

    execution: Execution
    product: ProductId
    client: ClientId
    position_side: PositionSide
    coin: str = ""

    @property
    def coin_fee(self) -> Decimal:
        """A fee taken in the coin itself, base quantity, negative when paid."""
        told = self.execution
        return told.fee if self.coin and told.fee_currency == self.coin else ZERO

    @property
    def change(self) -> Decimal:
        """What it makes of the position, signed base quantity: a fee taken in the coin itself is gone."""
        return self.execution.signed + self.coin_fee


class Holding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One position of one subscription.

    The order of executions matters: a sale after a purchase closes it, one before it opened a short. It
    is that of the venue's times, whatever the order in which they are told (see `add`).

    Attributes:
        quantity: signed base quantity, less fees that were taken in the coin.
        cash: what all its changes have brought in, less what they have cost: exact, in any order.
        opened_quantity, opened_cost: the opening fills that the entry price is the average of.
        fees: by currency, negative when paid.
        newest: by side, time (Unix ns) and trade of the newest execution.
        turned: the quantity before the executions that are newer than any of the other side.
    """

    quantity: Decimal = ZERO
    cash: Decimal = ZERO
    opened_quantity: Decimal = ZERO
    opened_cost: Decimal = ZERO
    fees: Mapping[str, Decimal] = {}
    executions: int = 0
    newest: Mapping[Side, tuple[int, TradeId]] = {}
    turned: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal | None:
        """The average price of what is held; None when nothing is."""
        return self.opened_cost / self.opened_quantity if self.quantity else None

    @property
    def realised(self) -> Decimal:
        """What closing has earned so far. Once nothing is held it is just what came in and went out."""
        return self.cash + self.quantity * (self.entry_price or ZERO)

    def unrealised(self, mark: Decimal) -> Decimal:
        """What closing all at the price `mark` would earn."""
        return self.cash + self.quantity * mark - self.realised

    def add(self, fill: AttributedExecution) -> "Holding | None":
        """With a fill that was not counted before; None if it came too late to be added on top.

        That is when a newer one of the other side, or one that went through zero, was added before it:
        then all have to be added anew (`holding_of`).
        """
        told, change = fill.execution, fill.change
        own, other = self.newest.get(told.side), self.newest.get(told.side.opposite)
        at = (told.ts_venue, told.trade_id)
        if other is not None and (*at, told.side) < (*other, told.side.opposite):
            return None
        if own is not None and at < own:
            only_opens = self.turned * change >= 0
            only_closes = self.quantity * change < 0 and abs(self.quantity) >= abs(change)
            if not only_opens and not only_closes:
                return None
        is_turn = own is None or (other is not None and (*own, told.side) < (*other, told.side.opposite))
        paid = self.fees.get(told.fee_currency, ZERO) + told.fee
        opened_quantity, opened_cost = self._opened(change, told.price)
        return Holding(
            quantity=self.quantity + change,
            cash=self.cash - change * told.price,
            opened_quantity=opened_quantity,
            opened_cost=opened_cost,
            fees={**self.fees, told.fee_currency: paid} if told.fee else self.fees,
            executions=self.executions + 1,
            newest={**self.newest, told.side: at if own is None else max(at, own)},
            turned=self.quantity if is_turn else self.turned,
        )

    def _opened(self, change: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
        """The opening fills after a change: their quantity and cost. Exact while a position only grows."""
        held, after = abs(self.quantity), self.quantity + change
        if self.quantity * change < 0:
            if after * self.quantity > 0:
                return self.opened_quantity, self.opened_cost
            return abs(after), abs(after) * price
        quantity, cost = self.opened_quantity, self.opened_cost
        if quantity != held:  # some of it was closed since
            quantity, cost = held, held * cost / quantity
        return quantity + abs(change), cost + abs(change) * price


class Position(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A holding and whose it is.

    Attributes:
        symbol: the follower's instrument; leader_symbol: the leader's, which names the book.
        settle: the currency of its profit and loss.
    """

    product: ProductId
    client: ClientId
    account: Account
    symbol: str
    position_side: PositionSide
    leader_symbol: str
    settle: str
    holding: Holding = Holding()


def holding_of(fills: Iterable[AttributedExecution]) -> Holding:
    """What fills add up to, told in any order; each once."""
    holding = Holding()
    for fill in sorted(fills, key=_order):
        added = holding.add(fill)
        assert added is not None, "in the order of their times each can be added on top"
        holding = added
    return holding


def _order(fill: AttributedExecution) -> tuple[int, str, str]:
    told = fill.execution
    return told.ts_venue, told.trade_id, told.side
