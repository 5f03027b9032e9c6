"""One simulated venue, whatever dialect it speaks: engine, faults, and the sockets that listen."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import methodcaller
from typing import Protocol

import trio

from services.simulator.accounts import Account
from services.simulator.engine import Exchange
from services.simulator.faults import Fault, FaultKind, Faults
from services.simulator.instruments import Instrument
from services.simulator.ledger import Entry, Order, Rejected
from services.simulator.request import Response
from services.simulator.triggers import Conditionals
from spider_common.clock import NS_PER_S, Clock


class Session(Protocol):
    """A logged-in private socket."""

    def deliver(self, entry: Entry) -> None:
        """Pushes what happened to whom it concerns. Does not wait."""
        ...

    def drop(self) -> None:
        """Breaks the connection without a word."""
        ...

    def announce_close(self) -> None:
        """Says, in the venue's way, that it will soon close the connection."""
        ...


class VenueClock:
    """A venue's own clock, `ahead` ns of the true one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead = 0

    def now(self) -> int:
        return self._clock.now() + self.ahead


class Venue:
    """Engine, faults and listeners of one venue."""

    def __init__(self, name: str, instruments: Sequence[Instrument], clock: Clock) -> None:
        self.name = name
        self.instruments = tuple(instruments)
        self.clock = VenueClock(clock)
        self.exchange = Exchange(instruments, self.clock.now())
        self.faults = Faults()
        self._sessions: dict[str, list[Session]] = {}  # by account, oldest first
        self._published = 0
        self._hidden_until: dict[str, int] = {}  # order id -> Unix ns
        self._silent_until: dict[str, int] = {}  # account -> Unix ns
        self._closed_until = 0  # Unix ns
        self._overtaken: dict[str, list[Callable[[Session], None]]] = {}  # by account
        self._consequences: list[Callable[[], None]] = []
        self._conditionals: Conditionals | None = None

    def account_of_key(self, key: str) -> Account | None:
        """The account that an API key belongs to."""
        return next((a for a in self.exchange.accounts.values() if a.credentials.key == key), None)

    def on_change(self, follow: Callable[[], None]) -> None:
        """Lets a dialect act after each change, before what happened is delivered."""
        self._consequences.append(follow)

    @property
    def conditionals(self) -> Conditionals:
        assert self._conditionals is not None, "the dialect keeps them"
        return self._conditionals

    def keep_conditionals(self, conditionals: Conditionals) -> None:
        """Lets a dialect say where its conditional orders are."""
        self._conditionals = conditionals

    @contextlib.contextmanager
    def attached(self, account: Account, session: Session) -> Iterator[None]:
        """Delivers an account's events to a session."""
        sessions = self._sessions.setdefault(account.name, [])
        sessions.append(session)
        try:
            yield
        finally:
            sessions.remove(session)

    def sessions(self, account: str) -> Sequence[Session]:
        return tuple(self._sessions.get(account, ()))

    def publish(self) -> None:
        """Delivers what the ledger gained since the last call, as the armed faults let it."""
        for follow in self._consequences:
            follow()
        entries = self.exchange.ledger.since(self._published)
        self._published += len(entries)
        for entry in entries:
            if isinstance(entry, Rejected):  # said in the reply only
                continue
            self.tell(entry.order.account, methodcaller("deliver", entry))

    def tell(self, account: str, push: Callable[[Session], None]) -> None:
        """Lets `push` say something to each of an account's sockets, as the armed faults let it."""
        struck = self.faults.strike("push", account)
        pushes = [] if "drop_push" in struck else [push]
        if "duplicate_push" in struck:
            pushes.append(push)
        if "overtake_push" in struck:
            self._overtaken.setdefault(account, []).extend(pushes)
        else:
            pushes += self._overtaken.pop(account, [])
            for session in () if self.silent(account) else self.sessions(account):
                for each in pushes:
                    each(session)
        if "drop_sockets" in struck:
            self.drop_sockets(account)

    async def conclude(
        self,
        struck: Mapping[FaultKind, Fault],
        *,
        accepted: Iterable[Order],
        answer: Response,
        bad_gateway: Response,
    ) -> Response | None:
        """Lets a request's effect be seen and its answer go, as the faults that strike it let them.

        None: the answer is lost.
        """
        if "hide_order" in struck:
            for order in accepted:
                self.hide(order, self.clock.now() + struck["hide_order"].delay)
        self.publish()
        if "late_reply" in struck:
            await trio.sleep(struck["late_reply"].delay / NS_PER_S)
        if "lose_reply" in struck:
            return None
        return bad_gateway if "error_with_effect" in struck else answer

    def close(self, fault: Fault) -> None:
        """Begins a maintenance."""
        self._closed_until = self.clock.now() + fault.delay

    @property
    def closed(self) -> bool:
        """Whether it is under maintenance: its REST side looks at nothing."""
        return self._closed_until > self.clock.now()

    def drop_sockets(self, account: str) -> None:
        """Breaks every private socket of an account."""
        for session in self.sessions(account):
            session.drop()

    def hide(self, order: Order, until: int) -> None:
        """Keeps an accepted order out of every query until a time (Unix ns)."""
        self._hidden_until[order.order_id] = until

    def visible(self, order: Order) -> bool:
        return self._hidden_until.get(order.order_id, 0) <= self.clock.now()

    def silence(self, account: str, until: int) -> None:
        """Lets an account's sockets stay open and say nothing until a time (Unix ns)."""
        self._silent_until[account] = until

    def silent(self, account: str) -> bool:
        return self._silent_until.get(account, 0) > self.clock.now()

    def reset(self) -> None:
        """Forgets everything: accounts, orders, prices, faults; breaks every socket."""
        for account in tuple(self._sessions):
            self.drop_sockets(account)
        self.exchange = Exchange(self.instruments, self.clock.now())
        self.faults.clear()
        self._published = 0
        self._hidden_until.clear()
        self._silent_until.clear()
        self._closed_until = 0
        self._overtaken.clear()
        self.clock.ahead = 0
