"""Bitget's codes to outcomes. PURE. An unlisted code of a write is Unknown, never Rejected.

The HTTP status beside a code is 200 or 400 and says nothing more. Sources:
https://www.bitget.com/api-doc/contract/error-code/restapi and ``/error-code/websocket``.
"""

from typing import Final

from spider_common.venues.outcomes import WriteCodes

_S: Final = 1_000_000_000

ACCEPTED: Final = "00000"
# The request was looked at and refused; there is no order of it.
REJECTED: Final = {
    "22002": "no position to close",
    "22003": "a new client order id is missing",
    "40001": "no key header",
    "40002": "no signature header",
    "40003": "empty signature",
    "40005": "malformed timestamp",
    "40006": "unknown key",
    "40009": "wrong signature",
    "40010": "wrong signature",
    "40011": "no passphrase header",
    "40012": "wrong key or passphrase",
    "40014": "the key has no permission for this",
    "40017": "a parameter is wrong",
    "40018": "this IP address is not on the key's list",
    "40019": "a parameter is empty",
    "40020": "a parameter is wrong",
    "40031": "the account is closed",
    "40034": "a parameter does not exist",
    "40037": "unknown key",
    "40085": "the account is a unified one, which another API serves",
    "40108": "wrong order quantity",
    "40706": "wrong order price",
    "40711": "not enough balance",
    "40712": "not enough margin",
    "40754": "not enough balance",
    "40762": "the order is larger than the balance",
    "40774": "the order is for another position mode",
    "40797": "above the highest leverage",
    "40798": "not enough balance",
    "40917": "the stop price is on the wrong side of the price",
    "40920": "open positions or orders keep the position mode",
    "41103": "the price is between its steps",
    "43011": "a parameter is wrong",
    "43012": "not enough balance",
    "45110": "below the minimum size",
    "45113": "above the maximum order value",
    "45117": "open positions or orders keep the margin mode",
    "45122": "the stop price is on the wrong side of the price",
}
# The venue says that it dropped the request unseen, because of its time.
UNSENT: Final = {
    "40004": "its timestamp was too old",
    "40008": "its timestamp was too old",
}
RATE_LIMITED: Final = {
    "429": "too many requests",
}
# The order may exist. A duplicate says that a pending order has our id: most likely it is this one.
UNKNOWN: Final = {
    "40015": "the venue is out of order",
    "40200": "the venue is being upgraded",
    "40308": "the contract is under maintenance",
    "40604": "the venue is busy",
    "40708": "a pending order has this client order id",
    "40725": "the service is out of order",
    "40786": "a pending order has this client order id",
    "40808": "the service is out of order",
    "41114": "the contract is under maintenance",
    "43118": "a pending order has this client order id",
    "45001": "maintenance",
    "45034": "a pending order has this client order id",
    "50060": "a pending order has this client order id",
}
NOT_FOUND: Final = frozenset({"40109", "40768", "43001", "43025"})
# Answers to a cancel, an amend or a question; as an answer to a new order they prove nothing.
GONE: Final = {
    "22001": "no order to cancel",
    "40109": "order not found",
    "40768": "order not found",
    "43001": "order not found",
    "43004": "no order to cancel",
    "43025": "conditional order not found",
}

# Login and subscription errors after which a new try cannot help until an operator acts.
FATAL_SOCKET: Final = {
    "30001": "unknown channel",
    "30002": "illegal request",
    "30003": "unknown operation",
    "30011": "unknown key",
    "30012": "wrong passphrase",
    "30015": "wrong signature",
    "30016": "a parameter is wrong",
}
RETRIABLE_SOCKET: Final = {
    "30004": "not logged in",
    "30005": "login failed",
    "30006": "too many requests",
    "30007": "too many requests; the socket is closed",
    "30013": "malformed timestamp",
    "30014": "timestamp too old",
}
BACK_OFF: Final = 1 * _S
"""How long to wait after a rate limit: an account's windows are 1 s and the answer names no time."""

WRITES: Final = WriteCodes(
    rejected=REJECTED, gone=GONE, unsent=UNSENT, rate_limited=RATE_LIMITED, back_off=BACK_OFF
)
