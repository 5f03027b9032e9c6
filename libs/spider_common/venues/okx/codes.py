"""OKX's codes to outcomes. PURE. An unlisted code of a write is Unknown, never Rejected.

Source: https://www.okx.com/docs-v5/en/#error-code
"""

from typing import Final

from spider_common.venues.outcomes import WriteCodes

_MS: Final = 1_000_000

# The request was looked at and refused; there is no order of it.
REJECTED: Final = {
    "50014": "a parameter is empty",
    "50100": "API frozen",
    "50101": "the key is of another environment",
    "50103": "no key header",
    "50104": "no passphrase header",
    "50105": "wrong passphrase",
    "50106": "no signature header",
    "50107": "no timestamp header",
    "50110": "this IP address is not on the key's list",
    "50111": "unknown key",
    "50112": "malformed timestamp",
    "50113": "wrong signature",
    "50114": "not authorised",
    "51000": "a parameter is wrong",
    "51001": "unknown instrument",
    "51004": "above the position limit",
    "51006": "price outside the limits",
    "51008": "not enough margin",
    "51010": "not available in this account mode",
    "51020": "below the minimum size",
    "51105": "above the maximum size",
    "51112": "more to close than the position has",
    "51121": "not a multiple of the lot",
    "51169": "nothing to reduce on that side",
    "51500": "nothing to change",
    "51502": "not enough margin for the change",
    "59000": "open orders or positions keep the setting",
    "59100": "open positions keep the leverage",
    "59101": "open orders of isolated positions keep the leverage",
    "59102": "above the highest leverage",
    "59103": "not enough margin for so low a leverage",
    "59104": "what is borrowed is too much for that leverage",
    "59105": "below the lowest leverage",
    "59107": "open orders keep the leverage",
    "59108": "not enough margin for so low a leverage",
    "59109": "equity below the margin that the leverage needs",
}
# The venue says that it dropped the request unseen, because of its time.
UNSENT: Final = {
    "50036": "arrived after its expTime",
    "50037": "its expTime passed at the venue",
    "50102": "its timestamp was too old",
}
RATE_LIMITED: Final = {
    "50011": "too many requests",
    "50061": "too many orders for this account",
}
# The order may exist. 51016 says that a pending order has our id: most likely it is this one.
UNKNOWN: Final = {
    "50001": "service unavailable",
    "50004": "timeout at the venue",
    "50013": "the venue is busy",
    "50026": "internal error",
    "51016": "a pending order has this client order id",
    "51149": "timeout at the venue",
}
NOT_FOUND: Final = frozenset({"51603"})
# Answers to a cancel or an amend; as an answer to a new order they prove nothing.
GONE: Final = {
    "51400": "the order is not open",
    "51503": "the order is not open",
    "51603": "order not found",
}

# Login and subscription errors after which a new try cannot help until an operator acts.
FATAL_SOCKET: Final = {
    "60005": "unknown key",
    "60007": "wrong signature",
    "60024": "wrong passphrase",
    "60032": "unknown key",
    "60018": "unknown channel",
    "60029": "the channel needs a higher fee tier",
}
BACK_OFF: Final = 1_000 * _MS
"""How long to wait after a rate limit: OKX's windows are 2 s and it names no time."""

WRITES: Final = WriteCodes(
    rejected=REJECTED, gone=GONE, unsent=UNSENT, rate_limited=RATE_LIMITED, back_off=BACK_OFF
)
