"""BingX's REST wire: signed requests with an expiry, under the rate limits, and what their answers say."""

import contextlib
import math
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
import trio

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit, Name
from spider_common.clock import NS_PER_MS, NS_PER_S, Clock
from spider_common.domain.identifiers import AccountId
from spider_common.sdk.ccxt import Codec, SignedRequest, VenueRequest
from spider_common.sdk.http import Answer, TrioTransport
from spider_common.secret import Credentials, Secret
from spider_common.venues.bingx import codes
from spider_common.venues.bingx.fields import Row, mapping, milliseconds, read_object, text
from spider_common.venues.outcomes import Outcome, RateLimited, Unknown, UnreadableFrame, Unsent, VenueError

ANSWER_WITHIN_S: Final = 5.0
"""The whole of a request. An order's answer that takes longer is in doubt and is asked for."""
MOST_WINDOW_MS: Final = 5_000  # recvWindow at the most

SWAP_V1: Final = ("swap", "v1", "private")
SWAP_V2: Final = ("swap", "v2", "private")
SWAP_V3: Final = ("swap", "v3", "private")
SPOT: Final = ("spot", "v1", "private")
PUBLIC: Final = ("swap", "v2", "public")
SPOT_PUBLIC: Final = ("spot", "v1", "public")
STREAM: Final = ("user", "auth", "private")
ACCOUNT: Final = ("account", "v1", "private")

Bucket = tuple[Name, Limit]
_ORDERS_IP: Final = (ADDRESS, "orders")
_QUERIES_IP: Final = (ADDRESS, "queries")

_SYNC_WITHIN_S: Final = 2.0  # an order's outcome does not wait longer for a clock
_EXACT_WITHIN: Final = NS_PER_S  # an answer that took longer tells too little of the venue's clock
_NOBODY: Final = Credentials(Secret(""), Secret(""))  # public questions are not signed
_FALLBACK_FOR: Final = "GET"  # nothing that changes something is sent twice
# The request never left us: no connection was made, or there was no place in the pool.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What BingX lets in. Its sources contradict each other; these are the strictest of each.

    Attributes:
        orders_ip, queries_ip: of one address, all accounts together. Other pages say 2000 in 10 s for all
            endpoints of a group and 300 in 10 s for each.
        place, cancel, amend, settings, query: of one account, for each endpoint. Other pages say 10 a second
            for orders, 4 for settings and 30 for queries.
    """

    orders_ip: Limit = Limit(3, 1.0)
    queries_ip: Limit = Limit(2, 1.0)
    place: Limit = Limit(5, 1.0)
    cancel: Limit = Limit(5, 1.0)
    amend: Limit = Limit(5, 1.0)
    settings: Limit = Limit(2, 1.0)
    query: Limit = Limit(5, 1.0)


def bucket(name: str, account: AccountId | None, limit: Limit) -> Bucket:
    """One account's bucket of one kind of request; the address's where nobody is asked for."""
    return ((ADDRESS, name) if account is None else (name, account)), limit


class CodeError(VenueError):
    """BingX answered a question with an error code.

    Attributes:
        fatal: asking again cannot help until an operator acts.
    """

    def __init__(self, path: str, code: str, words: str) -> None:
        self.code = code
        self.fatal = code in codes.FATAL_SOCKET
        super().__init__(f"{path}: {code} {words}".strip())


class Rest:
    """Sends requests for all accounts of one process.

    Args:
        fallback: origin that a question is put to when the first does not answer, such as
            ``https://open-api.bingx.pro``; "" for none.
        least_window_ms: a request whose expiry leaves less is not sent: it would only arrive to be dropped.
    """

    def __init__(
        self,
        *,
        http: TrioTransport,
        codec: Codec,
        budgets: Budgets,
        clock: Clock,
        limits: Limits,
        fallback: str,
        least_window_ms: int,
    ) -> None:
        self._http, self._codec, self._budgets, self._clock = http, codec, budgets, clock
        self.limits, self._fallback, self._least_window_ms = limits, fallback, least_window_ms
        self._offset = 0  # the venue's clock less ours, ns

    def venue_now(self) -> int:
        """The venue's time as we know it, Unix ns."""
        return self._clock.now() + self._offset

    async def server_time(self) -> int:
        """Asks the venue's clock and keeps the offset for signing.

        The offset is the smallest that the answer allows, so that no request lives longer than it was
        allowed to; an answer that took long allows too much, and the offset stays as it was.
        """
        request = VenueRequest(PUBLIC, "GET", "server/time", {})
        await self._budgets.acquire(*self._asking(request, None))
        sent = self._clock.now()
        body = await self._answer(None, request, None)
        now = self._clock.now()
        offset = milliseconds(mapping(body, "data", request.path), "serverTime", request.path) - now
        if now - sent <= _EXACT_WITHIN:
            self._offset = offset
        return now + offset

    async def turn(
        self, bucket: Bucket, *, client: str = "", reducing: bool = False, patience_s: float = math.inf
    ) -> bool:
        """Waits until one more request that changes something is let in, in turn as `Budgets` has it."""
        return await self._budgets.acquire(
            bucket,
            (_ORDERS_IP, self.limits.orders_ip),
            client=client,
            reducing=reducing,
            patience_s=patience_s,
        )

    async def write(
        self, credentials: Credentials, request: VenueRequest, *, expires: int, bucket: Bucket
    ) -> Row | Outcome:
        """Sends a request that changes something: its answer where that has code 0, otherwise what became
        of it.

        BingX refuses the request when it arrives later than its timestamp and recvWindow, which here end at
        `expires` (Unix ns) or sooner.

        Args:
            bucket: what `turn` was waited for with.
        """
        window = min((expires - self._clock.now()) // NS_PER_MS, MOST_WINDOW_MS)
        if window < self._least_window_ms:
            return Unsent(f"{window} ms until the request expires, less than {self._least_window_ms}")
        try:
            answer = await self._send(self._sign(credentials, request, window))
        except _NEVER_SENT as error:
            return Unsent(_words(error))
        except httpx.RequestError as error:
            return Unknown(_words(error))
        now = self._clock.now()
        read = _written(answer, now)
        if isinstance(read, RateLimited):
            await self._back_off(bucket, answer.status, read.until)
        elif _expire(answer) and answer.header("x-ratelimit-requests-remain") == "0":
            await self._budgets.back_off(*bucket, codes.retry_at("", _expire(answer), now))
        if isinstance(read, Unsent):  # it came too late, or our clock is off: the venue's knows
            with contextlib.suppress(VenueError), trio.move_on_after(_SYNC_WITHIN_S):
                await self.server_time()
        return read

    async def ask(
        self, credentials: Credentials, request: VenueRequest, *, account: AccountId | None = None
    ) -> Row:
        """The answer to a question, or to a request about a listen key.

        Raises:
            VenueError: no answer, an error code (`CodeError`), or an answer that cannot be read.
        """
        await self._budgets.acquire(*self._asking(request, account))
        return await self._answer(credentials, request, account)

    async def ask_openly(self, api: tuple[str, ...], path: str) -> Row:
        """The answer to a question that anybody may ask. Raises as `ask`."""
        request = VenueRequest(api, "GET", path, {})
        await self._budgets.acquire(*self._asking(request, None))
        return await self._answer(None, request, None)

    def _asking(self, request: VenueRequest, account: AccountId | None) -> tuple[Bucket, Bucket]:
        return bucket(f"GET {request.path}", account, self.limits.query), (
            _QUERIES_IP,
            self.limits.queries_ip,
        )

    async def _answer(
        self, credentials: Credentials | None, request: VenueRequest, account: AccountId | None
    ) -> Row:
        try:
            answer = await self._send_or_fall_back(
                self._sign(credentials or _NOBODY, request, MOST_WINDOW_MS)
            )
        except httpx.RequestError as error:
            raise VenueError(f"{request.path}: {_words(error)}") from error
        now, asking = self._clock.now(), self._asking(request, account)[0]
        by_status = codes.http_outcome(answer.status, now, expire=_expire(answer))
        if isinstance(by_status, RateLimited):
            await self._back_off(asking, answer.status, by_status.until)
        if by_status is not None:
            raise VenueError(f"{request.path}: HTTP {answer.status}")
        if not answer.content and answer.status == 200:
            return {}  # extending a listen key is answered so
        body = read_object(answer.content, request.path)
        code, words = text(body, "code", request.path, default="0"), _message(body, request.path)
        if code in codes.RATE_LIMITED:
            until = codes.retry_at(words, _expire(answer), now)
            await self._back_off(asking, answer.status, until)
        if code != "0" or answer.status != 200:
            raise CodeError(request.path, code, words or f"HTTP {answer.status}")
        return body

    def _sign(self, credentials: Credentials, request: VenueRequest, window: int) -> SignedRequest:
        if request.api[-1] != "public":
            request = msgspec.structs.replace(request, params={**request.params, "recvWindow": window})
        return self._codec.sign(credentials, request, set_back_ns=-self._offset)

    async def _send_or_fall_back(self, request: SignedRequest) -> Answer:
        try:
            return await self._send(request)
        except httpx.TransportError:
            if not self._fallback or request.method != _FALLBACK_FOR:
                raise
        moved = httpx.URL(request.url)
        origin = httpx.URL(self._fallback)
        url = str(moved.copy_with(scheme=origin.scheme, host=origin.host, port=origin.port))
        return await self._send(msgspec.structs.replace(request, url=url))

    async def _send(self, request: SignedRequest) -> Answer:
        return await self._http.exchange(
            request.method, request.url, headers=request.headers, body=request.body, deadline=ANSWER_WITHIN_S
        )

    async def _back_off(self, bucket: Bucket, status: int, until: int) -> None:
        """Closes the account's bucket, and those of the address where that is banned (418)."""
        await self._budgets.back_off(*bucket, until)
        if status == 418:
            await self._budgets.back_off(_ORDERS_IP, self.limits.orders_ip, until)
            await self._budgets.back_off(_QUERIES_IP, self.limits.queries_ip, until)


def _written(answer: Answer, now: int) -> Row | Outcome:
    """What an answer to a write says. Whatever cannot be read is unknown, not refused."""
    by_status = codes.http_outcome(answer.status, now, expire=_expire(answer))
    if by_status is not None:
        return by_status
    try:
        body = read_object(answer.content, "answer")
        code, words = text(body, "code", "answer"), _message(body, "answer")
    except UnreadableFrame as error:
        return Unknown(f"HTTP {answer.status}: {error}")
    if code == "0":
        return body
    return codes.write_outcome(code, words, now, expire=_expire(answer))


def _message(body: Mapping[str, Any], place: str) -> str:
    return text(body, "msg", place, default="")


def _expire(answer: Answer) -> str:
    return answer.header("x-ratelimit-requests-expire")


def _words(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
