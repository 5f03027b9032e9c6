"""BingX's codes to outcomes. PURE. An unlisted code of a write is Unknown, never Rejected.

Sources: https://bingx-api.github.io/docs-v3/#/en/Swap/Quick%20Start (common error codes, rate limits) and
the error tables of the endpoints.
"""

import re
from typing import Final

from spider_common.venues.outcomes import Outcome, RateLimited, Rejected, Unknown, Unsent

_MS: Final = 1_000_000
_S: Final = 1_000_000_000

# The request was looked at and refused; it had no effect.
REJECTED: Final = {
    "100001": "wrong signature",
    "100004": "the key does not have this permission",
    "100202": "not enough funds",
    "100204": "a parameter is wrong",
    "100400": "a parameter is wrong",
    "100412": "no signature",
    "100413": "unknown key",
    "100414": "refused by risk control",
    "100419": "this IP address is not on the key's list",
    "100421": "the pair, the order or the account is not open to this request",
    "100490": "the pair is offline",
    "101204": "not enough margin",
    "101205": "no position to close",
    "101206": "not enough margin",
    "101209": "above the position limit of this leverage",
    "101211": "price outside the limits",
    "101212": "not enough margin beside the pending orders",
    "101215": "a post-only order would have taken",
    "101253": "not enough margin",
    "101400": "a parameter is wrong",
    "101414": "leverage above the maximum",
    "101415": "the pair takes no new positions",
    "101419": "too many pending orders",
    "101460": "price beyond the liquidation price",
    "101514": "the account may not open positions now",
    "104103": "the position mode is locked",
    "109400": "a parameter is wrong",
    "109403": "the account is restricted",
    "109418": "the pair is offline",
    "109425": "unknown pair",
    "109429": "the account is restricted",
    "110425": "below the minimum value",
    "80013": "too many pending orders",
    "80014": "a parameter is wrong",
    "80017": "no such position",
    "80018": "the order is filled already",
    "80020": "refused by risk control",
    # An order that is to be cancelled or amended is not there.
    "80016": "no such order",
    "109421": "no such order",
}
NOT_FOUND: Final = frozenset({"80016", "109421"})
TIMESTAMP: Final = frozenset({"100421", "109400", "80014"})
"""Codes of a refused timestamp where their words say so; 100421 without words is one in the swap section."""
RATE_LIMITED: Final = {
    "100410": "too many requests",
}
# The order may exist. 101481 and 109201 say that our client order id is used: most likely by this order.
UNKNOWN: Final = {
    "100440": "no reason given",
    "100500": "internal error",
    "100503": "service unavailable",
    "101481": "the client order id is used",
    "101500": "timeout inside the venue",
    "109201": "the client order id was used within the last second",
    "109414": "request failed",
    "109500": "the venue is busy",
    "110500": "the order system is busy",
    "80001": "request failed",
    "80012": "one code for a missing margin and for a broken service; see its words",
    "80019": "the order is being processed",
    "504": "the gateway has no answer from the order system",
}

# After these a new try of listen key or socket cannot help until an operator acts.
FATAL_SOCKET: Final = {
    "100001": "wrong signature",
    "100004": "the key does not have this permission",
    "100412": "no signature",
    "100413": "unknown key",
    "100414": "refused by risk control",
    "100419": "this IP address is not on the key's list",
    "109403": "the account is restricted",
}

BACK_OFF: Final = 10 * _S
"""How long to wait after a rate limit that names no time: the longest counting window documented."""
BAN: Final = 300 * _S
"""How long an address or an endpoint stays shut: "recover after 5 minutes"."""

_SPOT_NO: Final = frozenset({"100400", "100404", "100421"})
_WRAPPERS: Final = frozenset({"80001", "80012"})  # words of which hold another code, if it is a refusal
_INNER: Final = re.compile(r'"Code":\s*(\d+)', re.ASCII)
_SAME_ID: Final = re.compile(r"client ?order ?id\b.*\b(?:exist|duplicate|repeat|used)")
_NO_SPOT_ORDER: Final = re.compile(r"\border (?:does )?not (?:exist|found)|not a valid order id")
_UNTIL: Final = re.compile(r"(?:after|time:?)\D{0,3}(\d{13})(?!\d)", re.ASCII)


def write_outcome(code: str, message: str, now: int, *, expire: str = "") -> Outcome:
    """What a code other than 0 on a request that changes something means.

    Args:
        now: Unix ns.
        expire: the header ``X-RateLimit-Requests-Expire`` of the answer, "" without one.
    """
    words = f"{code} {message}".strip()
    said = message.lower()
    if code in RATE_LIMITED:
        # "The current system is busy" comes under this code too, and says nothing of the order
        return Unknown(words) if "busy" in said else RateLimited(retry_at(message, expire, now), words)
    if code in TIMESTAMP and ("timestamp" in said or (code == "100421" and not said)):
        return Unsent(words)
    inner = _INNER.search(message) if code in _WRAPPERS else None
    if inner is not None and inner[1] in REJECTED:
        return Rejected(inner[1], words)
    if _SAME_ID.search(said):
        return Unknown(words)
    if code in REJECTED:
        return Rejected(code, message or REJECTED[code])
    return Unknown(words)


def no_such_spot_order(code: str, message: str) -> bool:
    """Whether the answer to a question about a spot order says that there is none: its words do, since its
    codes stand for other things too."""
    return code in NOT_FOUND or (code in _SPOT_NO and _NO_SPOT_ORDER.search(message.lower()) is not None)


def http_outcome(status: int, now: int, *, expire: str = "") -> Outcome | None:
    """What an HTTP status alone says; None where the body says it.

    A 5xx, 504 by name, means that the order system may have the request.
    """
    if status == 418:
        return RateLimited(max(now + BAN, retry_at("", expire, now)), "HTTP 418: the address is banned")
    if status == 429:
        return RateLimited(retry_at("", expire, now), "HTTP 429: too many requests")
    return Unknown(f"HTTP {status}") if status >= 500 else None


def retry_at(message: str, expire: str, now: int) -> int:
    """When a limited caller may try again, Unix ns: as the words or the header say, but soon enough.

    The words may say "will be unblocked after 1727193814249"; the header is the end of the window, Unix ms.
    """
    found = _UNTIL.search(message)
    told = found[1] if found else expire
    if len(told) == 13 and told.isascii() and told.isdigit():
        return min(max(int(told) * _MS, now + _S // 10), now + 2 * BAN)
    return now + BACK_OFF
