"""A venue's REST wire, whichever venue: requests signed and sent under a deadline, and what became of them.

It knows no codes and no endpoints. A *write* may have changed something at the venue, so whatever goes
wrong with it is told apart as an outcome: Unsent, it surely never arrived; Unknown, it may have. A
*question* changes nothing and raises.
"""

from collections.abc import Mapping
from typing import Final

import httpx
import msgspec

from spider_common.clock import NS_PER_S, Clock
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.sdk.http import Answer, TrioTransport
from spider_common.secret import Credentials, Secret
from spider_common.venues.outcomes import Unknown, UnreadableFrame, Unsent, VenueError
from spider_common.venues.rows import Row, read_object

ANSWER_WITHIN_S: Final = 5.0
"""The whole of a request. A write's answer that takes longer is in doubt and is asked for."""
_EXACT_WITHIN: Final = NS_PER_S
NOBODY: Final = Credentials(Secret(""), Secret(""))
"""Signs public questions, which have no signature."""

# The request never left us: no connection was made, or there was no place in the pool.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Reply(msgspec.Struct, frozen=True):
    """A venue's answer: the JSON object in it, whatever its HTTP status. Venues put their codes there."""

    status: int
    body: Row


class Rest:
    """One venue's wire, shared by all of its accounts, with the venue's clock beside ours."""

    def __init__(self, *, http: TrioTransport, codec: Codec, clock: Clock) -> None:
        self._http, self._codec, self._clock = http, codec, clock
        self._ahead = 0

    @property
    def ahead(self) -> int:
        """The least by which the venue's clock is ahead of ours, ns; requests are signed by the venue's."""
        return self._ahead

    def learn_time(self, told: int, *, asked: int) -> None:
        """Takes in the venue's clock (Unix ns) from an answer, just come, to a question of `asked`.

        The answer was on its way meanwhile, so the true clock is ahead of this one, never behind: a request
        that expires by it expires early and not late. An answer that took long would have every request
        expire too early; the clock stays as it was known.
        """
        now = self._clock.now()
        if now - asked <= _EXACT_WITHIN:
            self._ahead = told - now

    async def write(
        self,
        credentials: Credentials,
        request: VenueRequest,
        *,
        headers: Mapping[str, str] = {},
        set_back_ns: int = 0,
    ) -> Reply | Unsent | Unknown:
        """Sends a request that may change something. `headers`, `set_back_ns`: see `Codec.sign`."""
        try:
            answer = await self._send(credentials, request, headers, set_back_ns)
        except _NEVER_SENT as error:
            return Unsent(_words(error))
        except httpx.RequestError as error:
            return Unknown(_words(error))
        try:
            return Reply(answer.status, read_object(answer.content, "answer"))
        except UnreadableFrame as error:
            return Unknown(f"HTTP {answer.status}: {error}")

    async def ask(self, credentials: Credentials | None, request: VenueRequest) -> Reply:
        """Sends a question; a public one has no credentials.

        Raises:
            VenueError: there is no answer.
            UnreadableFrame: the answer holds no JSON object.
        """
        try:
            answer = await self._send(credentials or NOBODY, request, {}, 0)
        except httpx.RequestError as error:
            raise VenueError(f"{request.path}: {_words(error)}") from error
        place = f"{request.path}: HTTP {answer.status}"
        return Reply(answer.status, read_object(answer.content, place))

    async def _send(
        self, credentials: Credentials, request: VenueRequest, headers: Mapping[str, str], set_back_ns: int
    ) -> Answer:
        signed = self._codec.sign(
            credentials, request, headers=headers, set_back_ns=set_back_ns - self._ahead
        )
        return await self._http.exchange(
            signed.method, signed.url, headers=signed.headers, body=signed.body, deadline=ANSWER_WITHIN_S
        )


def _words(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
