"""What the model of two events is made of: scripts, workers, states, and the rules that can be taken away."""

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from spider_common.domain import journal, mirroring, planning
from spider_common.domain.identifiers import ClientId, ClientOrderId
from spider_common.domain.intents import Action, Cursor, Intent
from spider_common.domain.journal import JournalRow, Lease, Timing
from spider_common.domain.orders import OrderFact
from spider_common.domain.positions import Book
from tests.models.venue import VISIBILITY, Order

T = TypeVar("T")

TICK: Final = 1000  # ns
WIDE: Final = Timing(lease=2502, window=1500, skew=1, visibility=VISIBILITY)
NARROW: Final = Timing(lease=1502, window=500, skew=1, visibility=VISIBILITY)
"""No request outlives the tick in which it was sent: fewer states, for scripts that have many."""
PAST: Final = -(VISIBILITY + WIDE.skew + 1)
"""Times further back are all alike: whatever waits for them has waited long enough."""
UNPLANNED: Final = -1


class Script(NamedTuple):
    """What two events of the leader's ask of the followers.

    Attributes:
        rows: the intents of each event.
        there: orders that are at the venue from the beginning.
        fills: a live order may be filled at any time.
        replaces: the venue makes a new order of an amended one.
        whims: orders may be dropped as stale, held for want of budget, refused by the venue.
        calm: clients whose venue takes each request at once, and is heard.
    """

    rows: tuple[tuple[Intent, ...], ...]
    there: tuple[ClientOrderId, ...] = ()
    fills: bool = False
    replaces: bool = False
    whims: bool = True
    calm: frozenset[ClientId] = frozenset()
    timing: Timing = WIDE

    def makes_order(self, intent: Intent) -> bool:
        """Whether an order of the intent's own id comes of it."""
        return intent.action is Action.PLACE or (self.replaces and intent.action is Action.AMEND)


class Chain(NamedTuple):
    """How far a pass is with one client's orders of a row.

    Attributes:
        place: of the intent in the row; -1: the pass is through with this client.
        waits: for the answer to a request.
        expiry: how long from now the venue takes this request, or took the one before, ns.
        answer: what the venue has said to it; empty before.
        unheard: a cancel was sent before in this pass, and not answered.
    """

    place: int = -1
    waits: bool = False
    expiry: int = 0
    answer: str = ""
    unheard: bool = False


THROUGH: Final = Chain()


class Worker(NamedTuple):
    """A worker in a pass over a row: the row as it was read, and as it is to be written, by number.

    `stale`: another worker has written the row since.
    """

    read: int = -1
    local: int = -1
    chains: tuple[Chain, ...] = ()
    stale: bool = False

    def with_chain(self, lane: int, chain: Chain, local: int) -> "Worker":
        return self._replace(local=local, chains=(*self.chains[:lane], chain, *self.chains[lane + 1 :]))


IDLE: Final = Worker()


class State(NamedTuple):
    """Everything. Times are from now; rows and what is kept are numbers of values met before.

    Attributes:
        rows: of each event, or UNPLANNED.
        out: how many events' messages have been shown: the next one is when the one before is deleted.
        kept: book and cursor.
        crews: for each row, the two workers that may be on it.
        wire: requests for whose answer nobody waits: place of the intent, and how long the venue takes it.
        orders: of each intent's id, and of each that was there, what the venue has.
    """

    rows: tuple[int, ...]
    out: int
    kept: int
    crews: tuple[tuple[Worker, ...], ...]
    wire: tuple[tuple[int, int], ...]
    orders: tuple[Order, ...]

    def with_row(self, row: int, number: int) -> "State":
        return self._replace(rows=(*self.rows[:row], number, *self.rows[row + 1 :]))

    def with_worker(self, row: int, slot: int, worker: Worker) -> "State":
        crew = self.crews[row]
        crew = (worker, crew[1]) if slot == 0 else (crew[0], worker)
        return self._replace(crews=(*self.crews[:row], crew, *self.crews[row + 1 :]))


class Kept(msgspec.Struct, frozen=True):
    """What is written together with a row."""

    book: Book
    cursor: Cursor


class Rules(NamedTuple):
    """The protocol: the functions that the services call, how they use them, and what they rely on.

    Attributes:
        venue_takes: whether a request is taken that expires so many ns from now.
        fence: a row is written only over the version that was read.
        release_is_written: before the released order is sent.
        message_order: an event is planned after the message of the one before was deleted.
        newest_book: an event is planned only against the book as it is.
        sent_again: what is sent again, in the same pass, when no answer comes.
        asks_who_cancelled: a cancel that is refused after one that was not answered is in doubt.
    """

    request_expiry: Callable[[Lease, int, Timing], int | None] = journal.request_expiry
    can_take_over: Callable[[JournalRow, int, Timing], bool] = journal.can_take_over
    take_over: Callable[[JournalRow, str, int, Timing], JournalRow] = journal.take_over
    miss: Callable[[Intent, int, Timing], Intent] = journal.miss
    settle: Callable[..., Book] = journal.settle
    finish: Callable[..., tuple[Cursor, Book]] = mirroring.finish
    queue_up: Callable[..., tuple[tuple[Intent, ...], Book]] = planning.queue_up
    may_release: Callable[[Book, Intent], bool] = journal.may_release
    cover: Callable[..., Intent] = journal.cover
    is_free: Callable[[JournalRow, Intent], bool] = journal.is_free
    is_done: Callable[[Intent, OrderFact], bool] = journal.is_done
    found: Callable[[Intent, OrderFact], Intent] = journal.found
    venue_takes: Callable[[int], bool] = lambda expiry: expiry >= 0
    fence: bool = True
    release_is_written: bool = True
    message_order: bool = True
    newest_book: bool = True
    sent_again: frozenset[Action] = frozenset({Action.CANCEL})
    asks_who_cancelled: bool = True


class Values(Generic[T]):
    """Numbers for values, so that states are small and quickly compared."""

    def __init__(self) -> None:
        self._values: list[T] = []
        self._numbers: dict[bytes, int] = {}
        self._encoder = msgspec.msgpack.Encoder(order="deterministic")

    def __getitem__(self, number: int) -> T:
        return self._values[number]

    def number(self, value: T) -> int:
        number = self._numbers.setdefault(self._encoder.encode(value), len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number
