"""Bitget's error codes and the HTTP status they come with (documentation, "REST API error code"). Pure."""

from typing import Final

from services.simulator.rules import RefusedError

_HTTP_STATUS: Final = {"429": 429, "40404": 404}  # all others come with 400

_MESSAGES: Final = {
    "22001": "No order to cancel",
    "22002": "No position to close",
    "22003": "modify price and size, please pass in newClientOid",
    "40001": "ACCESS_KEY cannot be empty",
    "40003": "Signature cannot be empty",
    "40005": "Invalid ACCESS_TIMESTAMP",
    "40006": "Invalid ACCESS_KEY",
    "40008": "Request timestamp expired",
    "40009": "sign signature error",
    "40011": "ACCESS_PASSPHRASE cannot be empty",
    "40012": "apikey/password is incorrect",
    "40017": "Parameter verification failed {}",
    "40019": "Parameter {} cannot be empty",
    "40034": "Parameter {} does not exist",
    "40109": "The data of the order cannot be found, please confirm the order number",
    "40200": "Server upgrade, please try again later",
    "40404": "Request URL NOT FOUND",
    "40762": "The order amount exceeds the balance",
    "40768": "Order does not exist",
    "40774": "The order type for unilateral position must also be the unilateral position type.",
    "40786": "Duplicate clientOid",
    "40920": "Currently holding positions or orders, the position mode cannot be adjusted",
    "43001": "The order does not exist",
    "43012": "Insufficient balance",
    "43025": "Plan order does not exist",
    "429": "Too Many Requests",
    "45110": "less than the minimum amount 5 USDT",
    "45113": "Maximum order value limit triggered",
    "45117": "Currently holding positions or orders, the margin mode cannot be adjusted",
}
_REFUSALS: Final = {
    "instrument": "40034",
    "parameter": "40017",
    "position_side": "40774",
    "below_minimum": "45110",
    "above_maximum": "45113",
    "not_a_lot": "40017",
    "duplicate_client_order_id": "40786",
    "insufficient_margin": "40762",
    "nothing_to_reduce": "22002",
    "close_too_large": "22002",
    "not_found": "40768",
    "has_orders_or_positions": "40920",
}


class BitgetError(Exception):
    """An answer with a code. `parameter` fills the message's gap."""

    def __init__(self, code: str, parameter: str = "") -> None:
        self.code = code
        self.message = _MESSAGES[code].format(parameter).strip()
        self.status = _HTTP_STATUS.get(code, 400)
        super().__init__(f"{code} {self.message}")


def of_refusal(refused: RefusedError, **instead: str) -> BitgetError:
    """The engine's refusal in Bitget's words; `instead` gives an operation's own code for a refusal."""
    return BitgetError(instead.get(refused.refusal, _REFUSALS[refused.refusal]), refused.parameter)
