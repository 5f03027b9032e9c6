"""Breadth-first over all that can happen, up to the first state that breaks a law."""

import gc
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State", bound=Hashable)


class Finding(NamedTuple):
    """How many states were seen and, if one of them breaks the law, the shortest way to it."""

    states: int
    broken: str = ""
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n  ".join((f"{self.broken or 'holds'}, {self.states} states", *self.path))


class Graph(Generic[State]):
    """Every state that was reached, by number, and how.

    Args:
        moves: what can happen next in a state, in words, and the state after it.
        keeps_moves: all of them are kept, so that `stuck` can be asked.
    """

    def __init__(
        self,
        starts: Iterable[State],
        moves: Callable[[State], Iterator[tuple[str, State]]],
        *,
        keeps_moves: bool = False,
    ) -> None:
        self._moves, self._keeps_moves = moves, keeps_moves
        self._numbers: dict[State, int] = {}
        self._came: list[tuple[int, str]] = []
        self._before: list[list[tuple[int, str]]] = []
        self._open: deque[State] = deque()
        for state in starts:
            self._number(state, -1, "")

    def find(self, law: Callable[[State], str]) -> Finding:
        """Explores up to the first state (by steps) that breaks the law, or to the end."""
        with _no_collecting():
            while self._open:
                state = self._open.popleft()
                number = self._numbers[state]
                if why := law(state):
                    return self._finding(why, number)
                for what, after in self._moves(state):
                    reached = self._number(after, number, what)
                    if self._keeps_moves:
                        self._before[reached].append((number, what))
        return self._finding()

    def stuck(self, is_end: Callable[[State], bool], may: Callable[[str], bool]) -> Finding:
        """The first explored state from which moves that may happen lead to no end."""
        reaching = [number for state, number in self._numbers.items() if is_end(state)]
        reached = set(reaching)
        while reaching:
            for number, what in self._before[reaching.pop()]:
                if number not in reached and may(what):
                    reached.add(number)
                    reaching.append(number)
        for number in range(len(self._came)):
            if number not in reached:
                return self._finding("no end can be reached", number)
        return self._finding()

    def _number(self, state: State, before: int, what: str) -> int:
        number = self._numbers.setdefault(state, len(self._came))
        if number == len(self._came):
            self._came.append((before, what))
            self._open.append(state)
            if self._keeps_moves:
                self._before.append([])
        return number

    def _finding(self, broken: str = "", number: int = -1) -> Finding:
        steps = []
        while number >= 0:
            number, what = self._came[number]
            if what:
                steps.append(what)
        return Finding(len(self._came), broken, tuple(reversed(steps)))


@contextmanager
def _no_collecting() -> Iterator[None]:
    """States make no cycles, and to look for some among a million of them takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
