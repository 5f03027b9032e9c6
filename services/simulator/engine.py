"""A simulated venue's matching engine over a scripted price path. Pure: no I/O, no clock, no randomness.

Orders meet a `Market` (a price with bounded liquidity), not each other. Times are Unix ns passed in.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from services.simulator.accounts import ZERO, Account, Credentials, margin_used
from services.simulator.book import Market
from services.simulator.instruments import Instrument
from services.simulator.ledger import (
    Amended,
    Canceled,
    Category,
    Executed,
    Ledger,
    Order,
    Placed,
    PositionMode,
    Reason,
    Rejected,
)
from services.simulator.rules import NewOrder, RefusedError, check_numbers, check_order
from services.simulator.settlement import cost, settle
from spider_common.clock import NS_PER_MS

_SOME_DAY: Final = 1_000_000_000_000_000_000  # Unix ns


class Exchange:
    """Accounts, orders, markets and their ledger.

    Order and trade ids count from the time it opens (Unix ns), as venues' own ids grow with time, so that
    a restarted venue never gives an id twice.
    """

    def __init__(self, instruments: Sequence[Instrument], opened: int = _SOME_DAY) -> None:
        self.ledger = Ledger()
        self.markets = {item.symbol: Market(item, item.price) for item in instruments}
        self.accounts: dict[str, Account] = {}
        self._orders: dict[str, dict[str, Order]] = {}  # account -> order id -> order, oldest first
        self._open: dict[str, dict[str, str]] = {}  # symbol -> order id -> account, oldest first
        self._latest: dict[tuple[str, str], str] = {}  # account, client order id -> its latest order id
        self._trades = dict.fromkeys(self.markets, opened // NS_PER_MS)
        self._next_order = opened

    # Accounts

    def open_account(
        self,
        name: str,
        credentials: Credentials,
        *,
        position_mode: PositionMode = "net",
        balances: Mapping[str, Decimal],
    ) -> Account:
        """Raises ValueError: the name or the key is taken."""
        taken = any(other.credentials.key == credentials.key for other in self.accounts.values())
        if name in self.accounts or taken:
            raise ValueError(f"account {name!r}: its name or key is taken; choose another")
        uid = str(44_000_000_000 + len(self.accounts))
        self.accounts[name] = Account(name, uid, credentials, position_mode, dict(balances))
        self._orders[name] = {}
        return self.accounts[name]

    def set_position_mode(self, account: Account, mode: PositionMode) -> None:
        """Raises RefusedError: the account holds positions or open orders."""
        if mode != account.position_mode and (account.held() or self.open_orders(account)):
            raise RefusedError("has_orders_or_positions")
        account.position_mode = mode

    def set_leverage(self, account: Account, symbol: str, leverage: Decimal) -> None:
        """Raises RefusedError: no such instrument, or more than it allows."""
        if not 0 < leverage <= self.market(symbol).instrument.leverage:
            raise RefusedError("parameter", "lever")
        account.leverage[symbol] = leverage

    def set_isolated(self, account: Account, symbol: str, *, isolated: bool) -> None:
        """Raises RefusedError: no such instrument, or what is open in it keeps the margin mode."""
        self.market(symbol)
        if isolated == (symbol in account.isolated):
            return
        held = any(each.symbol == symbol for each in account.held())
        if held or any(each.symbol == symbol for each in self.open_orders(account)):
            raise RefusedError("has_orders_or_positions")
        (account.isolated.add if isolated else account.isolated.remove)(symbol)

    def available(self, account: Account, currency: str) -> Decimal:
        """What can still be bound: cash and unrealised profit less margin and open orders."""
        free = account.balances.get(currency, ZERO)
        free -= sum((amount for held, amount in account.reserved.values() if held == currency), ZERO)
        for market in self.markets.values():
            if market.instrument.quote == currency and market.instrument.kind == "swap":
                free += self.unrealised(account, market)
                free -= margin_used(account, market.instrument, market.price)
        return free

    def unrealised(self, account: Account, market: Market) -> Decimal:
        """Open profit of an account in one instrument, in quote currency."""
        unit, symbol = market.instrument.unit, market.instrument.symbol
        positions = (p for p in account.positions.values() if p.symbol == symbol)
        return sum((p.unrealised(market.price, unit) for p in positions), ZERO)

    def take_id(self) -> str:
        """An id that no order has: for those that wait outside of the engine."""
        self._next_order += 1
        return str(self._next_order - 1)

    # Queries

    def market(self, symbol: str) -> Market:
        """Raises RefusedError: not listed."""
        if symbol not in self.markets:
            raise RefusedError("instrument", "instId")
        return self.markets[symbol]

    def orders(self, account: Account) -> Iterator[Order]:
        """Every order of an account, the newest first."""
        return reversed(self._orders[account.name].values())

    def open_orders(self, account: Account) -> list[Order]:
        """What is pending, the newest first."""
        return [order for order in self.orders(account) if order.open]

    def find(self, account: Account, order_id: str, client_order_id: str) -> Order | None:
        """By order id or, where that is empty, the latest order with a client order id."""
        found = order_id or self._latest.get((account.name, client_order_id), "")
        return self._orders[account.name].get(found)

    # Orders

    def place(self, account: Account, new: NewOrder, now: int) -> Order:
        """Accepts and matches an order; returns it as it stands after.

        Raises:
            RefusedError: nothing was done; the ledger holds the refusal.
        """
        try:
            market = self.market(new.symbol)
            order = self._accept(account, new, now, market)
        except RefusedError as refused:
            self._reject(account, new.symbol, new.client_order_id, refused, now)
            raise
        self.ledger.append(Placed(seq=self.ledger.next_seq, ts=now, order=order))
        return self._match(account, market, order, now)

    def amend(
        self,
        account: Account,
        symbol: str,
        *,
        order_id: str = "",
        client_order_id: str = "",
        size: Decimal | None = None,
        price: Decimal | None = None,
        request_id: str = "",
        now: int,
    ) -> Order:
        """Changes the size (which counts what is filled already) or the price of an open order.

        Raises:
            RefusedError: the order is not open, or the change is not allowed.
        """
        try:
            order = self._pending(account, symbol, order_id, client_order_id)
            order = self._change(account, order, size or order.size, price or order.price, now)
        except RefusedError as refused:
            self._reject(account, symbol, client_order_id or order_id, refused, now)
            raise
        self.ledger.append(Amended(seq=self.ledger.next_seq, ts=now, order=order, request_id=request_id))
        return self._match(account, self.markets[symbol], order, now)

    def cancel(
        self, account: Account, symbol: str, *, order_id: str = "", client_order_id: str = "", now: int
    ) -> Order:
        """Takes back what is left of an open order.

        Raises:
            RefusedError: it is not open.
        """
        try:
            order = self._pending(account, symbol, order_id, client_order_id)
        except RefusedError as refused:
            self._reject(account, symbol, client_order_id or order_id, refused, now)
            raise
        return self._cancel(order, "user", now)

    def set_price(self, symbol: str, price: Decimal, depth: Decimal | None, now: int) -> None:
        """Moves an instrument along its price path; resting orders that the price reaches are filled.

        Raises:
            RefusedError: no such instrument, or a price or depth that it cannot have.
        """
        market = self.market(symbol)
        if price <= 0 or price % market.instrument.tick:
            raise RefusedError("parameter", "price")
        if depth is not None and (depth <= 0 or depth % market.instrument.lot):
            raise RefusedError("parameter", "depth")
        market.price, market.depth = price, depth
        for order_id, name in list(self._open.get(symbol, {}).items()):
            account, order = self.accounts[name], self._orders[name][order_id]
            size = market.making(order)
            if size:
                assert order.price is not None, "market orders do not rest"
                self._fill(account, market, order, order.price, size, maker=True, now=now)

    def close_out(
        self, account: Account, symbol: str, category: Category, share: Decimal, now: int
    ) -> list[Order]:
        """The venue's own closes of an account's positions in an instrument, at the market. A liquidation
        takes back the instrument's open orders first.

        `share`: of each position, cut to the lot.

        Raises:
            RefusedError: no such instrument, or nothing of it is held.
        """
        instrument = self.market(symbol).instrument
        if category != "adl":
            for order in self.open_orders(account):
                if order.symbol == symbol:
                    self._cancel(order, "liquidation", now)
        closes = [
            NewOrder(
                symbol=symbol,
                side="sell" if held.size > 0 else "buy",
                kind="market",
                size=abs(held.size) * share // instrument.lot * instrument.lot,
                leg=held.leg,
                reduce_only=True,
                category=category,
            )
            for held in account.held()
            if held.symbol == symbol
        ]
        if not closes:
            raise RefusedError("nothing_to_reduce")
        return [self.place(account, new, now) for new in closes]

    # Inside

    def _reject(
        self, account: Account, symbol: str, client_order_id: str, refused: RefusedError, now: int
    ) -> None:
        self.ledger.append(
            Rejected(
                seq=self.ledger.next_seq,
                ts=now,
                account=account.name,
                symbol=symbol,
                client_order_id=client_order_id,
                reason=str(refused),
            )
        )

    def _pending(self, account: Account, symbol: str, order_id: str, client_order_id: str) -> Order:
        order = self.find(account, order_id, client_order_id)
        if order is None or not order.open or order.symbol != symbol:
            raise RefusedError("not_found")
        return order

    def _accept(self, account: Account, new: NewOrder, now: int, market: Market) -> Order:
        check_order(account, new, market.instrument)
        if new.client_order_id:
            same = self.find(account, "", new.client_order_id)
            if same is not None and same.open:  # unique among what is pending, and only there
                raise RefusedError("duplicate_client_order_id", "clOrdId")
        order = Order(
            order_id=str(self._next_order),
            client_order_id=new.client_order_id,
            account=account.name,
            symbol=new.symbol,
            side=new.side,
            leg=new.leg,
            kind=new.kind,
            size=new.size,
            price=new.price,
            reduce_only=new.closes_only,
            ts_created=now,
            ts_updated=now,
            category=new.category,
            tag=new.tag,
            margin_mode=new.margin_mode,
            parent=new.parent,
            parent_client_order_id=new.parent_client_order_id,
        )
        self._reserve(account, order, market)
        self._next_order += 1
        self._keep(order)
        if order.client_order_id:
            self._latest[account.name, order.client_order_id] = order.order_id
        return order

    def _change(
        self, account: Account, order: Order, size: Decimal, price: Decimal | None, now: int
    ) -> Order:
        market = self.markets[order.symbol]
        check_numbers(market.instrument, size, price)
        if size <= order.filled:
            raise RefusedError("parameter", "newSz")
        order = replace(order, size=size, price=price, ts_updated=now)
        self._reserve(account, order, market)
        self._keep(order)
        return order

    def _reserve(self, account: Account, order: Order, market: Market) -> None:
        currency, amount = cost(account, order, market)
        _, bound = account.reserved.get(order.order_id, (currency, ZERO))
        if amount > bound and amount - bound > self.available(account, currency):
            raise RefusedError("insufficient_margin")
        account.reserved[order.order_id] = (currency, amount)

    def _keep(self, order: Order) -> None:
        self._orders[order.account][order.order_id] = order
        waiting = self._open.setdefault(order.symbol, {})
        if order.open:
            waiting[order.order_id] = order.account
        else:
            waiting.pop(order.order_id, None)
            self.accounts[order.account].reserved.pop(order.order_id, None)

    def _cancel(self, order: Order, reason: Reason, now: int) -> Order:
        order = replace(order, status="canceled", canceled_for=reason, ts_updated=now)
        self._keep(order)
        self.ledger.append(Canceled(seq=self.ledger.next_seq, ts=now, order=order))
        return order

    def _match(self, account: Account, market: Market, order: Order, now: int) -> Order:
        """An order meets the market as it arrives."""
        fills = list(market.taking(order))
        if order.kind == "post_only" and fills:
            return self._cancel(order, "post_only", now)
        if order.kind == "fok" and sum(size for _, size in fills) < order.size:
            return self._cancel(order, "fok", now)
        for price, size in fills:
            order = self._fill(account, market, order, price, size, maker=False, now=now)
            if not order.open:
                return order
        return self._cancel(order, "ioc", now) if order.kind == "ioc" else order

    def _fill(
        self,
        account: Account,
        market: Market,
        order: Order,
        price: Decimal,
        size: Decimal,
        *,
        maker: bool,
        now: int,
    ) -> Order:
        if order.reduce_only:
            size = account.position(order.symbol, order.leg).reduction(size * order.sign)
            if not size:
                return self._cancel(order, "reduce_only", now)
        trade_id = str(self._trades[order.symbol])
        self._trades[order.symbol] += 1
        currency, bound = account.reserved[order.order_id]
        account.reserved[order.order_id] = currency, bound * (order.remaining - size) / order.remaining
        execution = settle(
            account,
            market.instrument,
            order,
            price=price,
            size=size,
            maker=maker,
            trade_id=trade_id,
            now=now,
        )
        filled = order.filled + size
        order = replace(
            order,
            filled=filled,
            paid=order.paid + price * size,
            fee=order.fee + execution.fee,
            pnl=order.pnl + execution.pnl,
            status="filled" if filled == order.size else "partially_filled",
            ts_updated=now,
            last=execution,
        )
        self._keep(order)
        self.ledger.append(Executed(seq=self.ledger.next_seq, ts=now, order=order))
        if order.open and order.reduce_only and not account.position(order.symbol, order.leg).size:
            return self._cancel(order, "reduce_only", now)
        return order
