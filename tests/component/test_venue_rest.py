"""The wire that every venue's client stands on: what went wrong with a request, told apart."""

import random

import httpx
import pytest

from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.sdk.http import Answer
from spider_common.secret import Credentials, Secret
from spider_common.venues.outcomes import Unknown, UnreadableFrame, Unsent, VenueError
from spider_common.venues.rest import ANSWER_WITHIN_S, Reply, Rest

NOW = 1_700_000_000_000_000_000
S = 10**9
WRITE = VenueRequest(("private", "mix"), "POST", "v2/mix/order/place-order", {"clientOid": "1"})
QUESTION = VenueRequest(("private", "mix"), "GET", "v2/mix/order/detail", {"clientOid": "1"})
KEY = Credentials(Secret("key-1"), Secret("secret-2"), Secret("phrase-3"))


class Hands:
    """A clock that is set by hand."""

    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time


class Scripted:
    """Answers every request with one thing, or fails with it; keeps what it was sent."""

    def __init__(self, answer):
        self._answer = answer
        self.seen, self.deadlines = [], []

    async def exchange(self, method, url, *, headers, body, deadline):
        self.seen.append(httpx.Request(method, url, headers=headers, content=body))
        self.deadlines.append(deadline)
        if isinstance(self._answer, Exception):
            raise self._answer
        status, content = self._answer
        return Answer(status, [], content)


def wire(answer, clock=None):
    transport, clock = Scripted(answer), clock or Hands()
    return Rest(http=transport, codec=Codec("bitget", clock), clock=clock), transport


@pytest.mark.parametrize("status", [200, 400, 429, 500])
async def test_a_json_object_is_a_reply_whatever_the_status(status):
    """Venues put their codes into the body; what one means is the venue's own matter."""
    rest, transport = wire((status, b'{"code":"40009"}'))
    assert await rest.write(KEY, WRITE) == Reply(status, {"code": "40009"})
    assert await rest.ask(KEY, QUESTION) == Reply(status, {"code": "40009"})
    assert [request.method for request in transport.seen] == ["POST", "GET"]
    assert transport.deadlines == [ANSWER_WITHIN_S] * 2


GARBLED = [
    (200, b""),
    (502, b"<html>Bad Gateway</html>"),
    (200, b"[]"),
    (200, b"null"),
    (200, b"\xff\xfe"),
    (200, b'{"code":"00000"'),
    (200, b"[" * 100_000),
    (200, b" " * (1 << 21)),
]


@pytest.mark.parametrize("answer", GARBLED)
async def test_an_answer_that_cannot_be_read_is_unknown(answer):
    """To a write it proves nothing; to a question it is an error that names path and status."""
    rest, _ = wire(answer)
    outcome = await rest.write(KEY, WRITE)
    assert isinstance(outcome, Unknown)
    assert outcome.why.startswith(f"HTTP {answer[0]}: ")
    with pytest.raises(UnreadableFrame, match=rf"v2/mix/order/detail: HTTP {answer[0]}: "):
        await rest.ask(KEY, QUESTION)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), Unsent),
        (httpx.ConnectTimeout("slow"), Unsent),
        (httpx.PoolTimeout("full"), Unsent),
        (httpx.ReadTimeout("silent"), Unknown),
        (httpx.WriteTimeout(""), Unknown),
        (httpx.ReadError("reset"), Unknown),
        (httpx.WriteError("reset"), Unknown),
        (httpx.RemoteProtocolError("garbage"), Unknown),
        (httpx.DecodingError("no gzip"), Unknown),
    ],
)
async def test_a_transports_failure_is_unsent_only_if_nothing_left(error, kind):
    """Without a connection nothing was sent; from the first byte on, the order may be there."""
    rest, _ = wire(error)
    outcome = await rest.write(KEY, WRITE)
    assert isinstance(outcome, kind)
    assert type(error).__name__ in outcome.why
    with pytest.raises(VenueError, match=type(error).__name__):
        await rest.ask(KEY, QUESTION)


async def test_requests_are_signed_by_the_venues_clock():
    """The offset moves the time of signing, set back or not, and headers go along."""
    clock = Hands()
    rest, transport = wire((200, b"{}"), clock)
    rest.learn_time(NOW + 7 * S, asked=NOW)
    clock.time += 100 * S
    await rest.write(KEY, WRITE, headers={"expTime": "1"}, set_back_ns=20 * S)
    await rest.ask(KEY, QUESTION)
    stamps = [int(request.headers["ACCESS-TIMESTAMP"]) * 10**6 for request in transport.seen]
    assert stamps == [NOW + 87 * S, NOW + 107 * S]
    assert transport.seen[0].headers["expTime"] == "1"


@pytest.mark.parametrize("seed", range(20))
async def test_the_offset_never_puts_the_venue_further_ahead_than_it_is(seed):
    """However long question and answer travel: a request that expires by it never expires late."""
    rng = random.Random(seed)
    ahead, clock = rng.randint(-60, 60) * S, Hands()
    rest, _ = wire((200, b"{}"), clock)
    asked = clock.time
    clock.time += rng.randint(0, S // 2)  # the question's way
    told = (clock.time + ahead) // 10**6 * 10**6
    back = rng.randint(0, S // 2)
    clock.time += back
    rest.learn_time(told, asked=asked)
    assert ahead - back - 10**6 < rest.ahead <= ahead


async def test_an_answer_that_took_long_does_not_set_the_clock():
    """It would have every request expire early by all that time."""
    clock = Hands()
    rest, _ = wire((200, b"{}"), clock)
    rest.learn_time(NOW + 7 * S, asked=NOW)
    clock.time += 2 * S
    rest.learn_time(NOW, asked=NOW)
    assert rest.ahead == 7 * S


async def test_no_secret_is_in_what_is_told():
    """Errors name the path, not the query, the headers or the key."""
    rest, _ = wire(httpx.ReadError("reset"))
    outcome = await rest.write(KEY, WRITE)
    with pytest.raises(VenueError) as failed:
        await rest.ask(KEY, QUESTION)
    shown = repr((outcome, failed.value, rest))
    assert not any(secret in shown for secret in ("key-1", "secret-2", "phrase-3"))
