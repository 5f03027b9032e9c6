"""Mutated frames against each venue's session: `python -m tests.venues.fuzz 100000 [SEED]`.

A frame that a simulated venue has sent is bent in its JSON or in its bytes and put before a session. Whatever
it is by then, nothing is raised: it is understood, or it is kept whole with an error that says where it is
wrong. What is understood can be encoded, so it goes on to the queue.
"""

import gzip
import json
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from spider_common.clock import NS_PER_S
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.venue import SessionProtocol, Told, Unreadable
from tests.venues.bench import DIALECTS, ORIGIN, Dialect
from tests.venues.recordings import Frame, Recording, record

_GZIP: Final = b"\x1f\x8b"
_SESSION: Final = 50
"""Frames that one session sees."""
_ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**63, 2**64, -(2**70), 1e308, "", " ", "0", "-1", "1.", ".5", "1e5"),
    *(
        "1e999999",
        "NaN",
        "Infinity",
        "-0",
        "0x10",
        "1_000",
        "١٢٣",
        "9" * 400,
        "0." + "1" * 70,
        "null",
        "true",
    ),
    *(
        "BUY",
        "buy",
        "long",
        "both",
        "net",
        "filled",
        "Ping",
        "#",
        "\x00",
        "\x1f",
        "😀",
        "a" * 70,
        "GONE-USDT",
    ),
    *([], {}, [[]], [{}], [None], {"": ""}, [1, "2"], {"data": []}),
)
_SNIPPETS: Final = (*b'" { } [ ] , : \\ \\ud800 null 1e9'.split(), b"\x00", b"\xff")


def mutate(rng: random.Random, frame: Frame) -> Frame:
    """A frame somewhat like another. Gzip is bent mostly inside, sometimes as it is."""
    zipped = isinstance(frame, bytes) and frame.startswith(_GZIP)
    if zipped and rng.random() < 0.1:
        return _bent_bytes(rng, bytes(frame))
    plain = gzip.decompress(frame) if zipped else frame if isinstance(frame, bytes) else frame.encode()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        plain = (_bent_json if rng.random() < 0.7 else _bent_bytes)(rng, plain)
    if zipped:
        return gzip.compress(plain, 1, mtime=0)
    if isinstance(frame, str):
        return plain.decode("utf-8", rng.choice(("replace", "surrogateescape")))
    return plain


def _bent_json(rng: random.Random, plain: bytes) -> bytes:
    """One value of it is replaced, removed, doubled, renamed or put elsewhere; bytes where it is no JSON."""
    try:
        body = json.loads(plain)
    except (ValueError, RecursionError):
        return _bent_bytes(rng, plain)
    places = list(_places(body))
    if not places:
        return json.dumps(rng.choice(_ODD)).encode()
    where, name = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del where[name]
        case 1 if isinstance(where, dict):
            where[rng.choice(("", "data", str(name).upper(), f"{name}x"))] = where.pop(name)
        case 2:
            other, key = rng.choice(places)
            where[name] = json.loads(json.dumps(other[key]))
        case 3 if isinstance(where, list):
            where.extend([where[name]] * rng.choice((1, 2, 30)))
        case 4:
            where[name] = rng.choice(([where[name]], {"data": where[name]}, str(where[name])))
        case _:
            where[name] = rng.choice(_ODD)
    return json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a decoded JSON value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        inner = each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ()
        for name, child in inner:
            found.append((each, name))
            waiting.append(child)
    return found


def _bent_bytes(rng: random.Random, plain: bytes) -> bytes:
    """Bytes of it are changed, removed, added or doubled."""
    at = rng.randrange(len(plain) + 1)
    length = rng.choice((0, 1, 1, 1, 2, 8, 64))
    match rng.randrange(5):
        case 0:
            return plain[:at]
        case 1:
            return plain[:at] + plain[at + length :]
        case 2:
            return plain[:at] + rng.choice(_SNIPPETS) + plain[at:]
        case 3:
            return plain[:at] + rng.randbytes(length) + plain[at + length :]
        case _:
            return plain[:at] + plain[at : at + length] * rng.choice((2, 3, 100)) + plain[at + length :]


class Reader:
    """Reads frames as the session runner does, and counts what they come to."""

    def __init__(self, dialect: Dialect, *seeds: int) -> None:
        self._recordings = [record(dialect, seed) for seed in seeds]
        self.counts: Counter[str] = Counter()
        self._session: SessionProtocol | None = None
        self._left = 0

    @property
    def frames(self) -> list[Frame]:
        """What to mutate."""
        return [frame for recording in self._recordings for frame in recording.frames]

    def read(self, frame: Frame) -> None:
        """Raises AssertionError, or whatever the session lets out: then it is wrong."""
        session, now = self._talking()
        kind = "quiet"
        for event in (*session.received(frame, now), *session.tick(max(session.due(), now))):
            match event:
                case Unreadable(frame=kept, error=error):
                    assert kept == (frame if isinstance(frame, str) else frame.hex()), "not kept whole"
                    assert type(error) is UnreadableFrame
                    assert str(error), "it does not say what is wrong"
                    kind = "unreadable"
                case Told():
                    msgspec.json.encode(event)
                    assert all(fact.event_id for fact in event.facts)
                    kind = "told"
                case _:
                    kind = "control" if kind == "quiet" else kind
        self.counts[kind] += 1

    def _talking(self) -> tuple[SessionProtocol, int]:
        """A session that is ready, a new one now and then."""
        now = ORIGIN + (_SESSION - self._left) * NS_PER_S // 10
        if self._session is None or not self._left:
            self._session, self._left, now = ready(self._recordings[0]), _SESSION, ORIGIN
        self._left -= 1
        return self._session, now


def ready(recording: Recording) -> SessionProtocol:
    """A session that has heard all but the pushes of a recording."""
    session, pushes = recording.session(), set(recording.pushes)
    for frame in recording.frames:
        if frame not in pushes:
            session.received(frame, ORIGIN)
    return session


def run(dialect: Dialect, count: int, seed: int, tell: Callable[[str], object]) -> bool:
    """Reads `count` mutated frames; tells of what became of them. False: one was not read as it should be."""
    rng, reader = random.Random(f"{dialect.venue} {seed}"), Reader(dialect, 1, 2)
    frames = reader.frames
    for number in range(count):
        frame = mutate(rng, rng.choice(frames))
        try:
            reader.read(frame)
        except Exception:  # noqa: BLE001 whatever it is, it is what we look for
            tell(f"{dialect.venue}, seed {seed}, frame {number}: {frame!r}\n{traceback.format_exc()}")
            return False
    parts = ", ".join(f"{kind} {times}" for kind, times in sorted(reader.counts.items()))
    tell(f"{dialect.venue}: {reader.counts.total()} frames: {parts}")
    return reader.counts.total() == count


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    passed = [run(dialect, count, seed, _say) for dialect in DIALECTS]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
