"""Whose turn it is: reducing orders first, then one request of each client in turn. PURE."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from spider_common.budgets.limits import Bucket, Limit, Name, Wanted

FindBucket = Callable[[Name, Limit], Bucket]


class Request:
    """Something that waits for its tokens.

    Attributes:
        lane: the names of its buckets: what is in the same lane can leave at the same times.
    """

    def __init__(self, wanted: Wanted, *, client: str, reducing: bool, fan_out: str) -> None:
        self.wanted, self.client, self.reducing, self.fan_out = tuple(wanted), client, reducing, fan_out
        self.lane = tuple(name for name, _ in wanted)
        self.number = 0


_NEVER: Final = 2**63

R = TypeVar("R", bound=Request)
Lanes = dict[tuple[Name, ...], deque[R]]


class Trial:
    """Copies of buckets, to try what could leave without taking it."""

    def __init__(self, find: FindBucket) -> None:
        self._find = find
        self._tried: dict[Name, Bucket] = {}
        self._closed: set[Name] = set()

    def take(self, request: Request, now: int) -> bool:
        """One token of each bucket of a request, or none."""
        if not self._closed.isdisjoint(request.lane):
            return False
        buckets = [self._bucket(name, limit) for name, limit in request.wanted]
        for name, bucket in zip(request.lane, buckets, strict=True):
            if bucket.ready_at > now:
                self._closed.add(name)
                return False
        for bucket in buckets:
            bucket.take(now)
        return True

    def ready_at(self, request: Request, *, before: int) -> int:
        """When a request can leave, or `before` when it cannot leave earlier than that."""
        ready = 0
        for name, limit in reversed(request.wanted):  # the widest bucket, which mostly decides, comes last
            ready = max(ready, self._bucket(name, limit).ready_at)
            if ready >= before:
                return before
        return ready

    def later(self) -> None:
        """Time has passed: what was closed may be open."""
        self._closed.clear()

    def _bucket(self, name: Name, limit: Limit) -> Bucket:
        bucket = self._tried.get(name)
        if bucket is None:
            bucket = self._tried[name] = self._find(name, limit).copy()
        return bucket


class Turns(Generic[R]):
    """All that waits, in the order in which it may leave.

    - A reducing request leaves before any other that wants the same.
    - Clients take turns: while a client has a request that only shared buckets hold, no other client gets
      two requests of that class through them before this client gets one.
    - Of one client's requests of a class, those that can leave do so in the order in which they came.
    - Nobody waits for a request that waits for a bucket of its own.
    """

    def __init__(self) -> None:
        # for each class the ring of clients: whose turn is next comes first
        self._reducing: dict[str, Lanes[R]] = {}
        self._others: dict[str, Lanes[R]] = {}
        self._numbers = 0

    def __iter__(self) -> Iterator[R]:
        for ring in (self._reducing, self._others):
            for lanes in ring.values():
                for lane in lanes.values():
                    yield from lane

    def add(self, request: R) -> None:
        self._numbers += 1
        request.number = self._numbers
        lanes = self._ring(request).setdefault(request.client, {})
        lanes.setdefault(request.lane, deque()).append(request)

    def remove(self, request: R) -> None:
        """Takes out one that gave up; its client keeps its place."""
        ring = self._ring(request)
        lanes = ring[request.client]
        lane = lanes[request.lane]
        lane.remove(request)
        if not lane:
            del lanes[request.lane]
        if not lanes:
            del ring[request.client]

    def leave(self, requests: Iterable[R]) -> None:
        """Takes out those that got their tokens; their clients go to the end of the ring."""
        for request in requests:
            self.remove(request)
            ring = self._ring(request)
            if request.client in ring:
                ring[request.client] = ring.pop(request.client)

    def next(self, now: int, trial: Trial, *, most: int) -> list[R]:
        """Up to `most` requests that can leave now, in the order of their turns."""
        chosen: list[R] = []
        for ring in (self._reducing, self._others):
            clients = [(lanes, dict.fromkeys(lanes, 0)) for lanes in ring.values()]
            while clients:
                again = []
                for lanes, passed in clients:
                    request = _first(lanes, passed, now, trial)
                    if request is None:
                        continue
                    chosen.append(request)
                    if len(chosen) == most:
                        return chosen
                    again.append((lanes, passed))
                clients = again
        return chosen

    def ready_at(self, trial: Trial) -> int | None:
        """When the next request can leave; None when nothing waits."""
        soonest: int | None = None
        for ring in (self._reducing, self._others):
            for lanes in ring.values():
                for lane in lanes.values():
                    soonest = trial.ready_at(lane[0], before=_NEVER if soonest is None else soonest)
        return soonest

    def predict(self, fan_out: str, now: int, trial: Trial) -> int | None:
        """When the last request of a fan-out will leave, if nothing else comes; None: none waits."""
        left = sum(request.fan_out == fan_out for request in self)
        if not left:
            return None
        copy: Turns[R] = Turns()
        copy._reducing, copy._others = _copied(self._reducing), _copied(self._others)
        while True:
            chosen = copy.next(now, trial, most=left)
            copy.leave(chosen)
            left -= sum(request.fan_out == fan_out for request in chosen)
            if not left:
                return now
            if not chosen:
                ready = copy.ready_at(trial)
                assert ready is not None  # something of the fan-out is left
                now = max(now, ready)
            trial.later()

    def _ring(self, request: R) -> dict[str, Lanes[R]]:
        return self._reducing if request.reducing else self._others


def _first(lanes: Lanes[R], passed: dict[tuple[Name, ...], int], now: int, trial: Trial) -> R | None:
    """A client's oldest request that can leave now, counted as passed and its tokens taken on trial."""
    heads: Sequence[R] = [lane[passed[key]] for key, lane in lanes.items() if passed[key] < len(lane)]
    for request in sorted(heads, key=lambda each: each.number) if len(heads) > 1 else heads:
        if trial.take(request, now):
            passed[request.lane] += 1
            return request
    return None


def _copied(ring: dict[str, Lanes[R]]) -> dict[str, Lanes[R]]:
    return {client: {key: lane.copy() for key, lane in lanes.items()} for client, lanes in ring.items()}
