"""OKX signatures: REST headers and the socket's login. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.simulator.accounts import Account
from services.simulator.okx.codes import OkxError
from services.simulator.request import Request
from spider_common.clock import NS_PER_S

_WINDOW: Final = 30 * NS_PER_S  # how far a timestamp may be from the venue's clock
_LOGIN: Final = "GET/users/self/verify"

AccountOfKey = Callable[[str], Account | None]


def sign(secret: str, text: str) -> str:
    """Base64 of the HMAC-SHA256 of `text`."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()


def authenticate(request: Request, account_of_key: AccountOfKey, now: int) -> Account:
    """The account that signed a REST request.

    Raises:
        OkxError: 50103 to 50107 a header is missing; 50111 the key is unknown; 50112 or 50102 the
            timestamp is malformed or more than 30 s off; 50105 the passphrase, 50113 the signature is wrong.
    """
    header = request.headers.get
    key, passphrase = header("ok-access-key", ""), header("ok-access-passphrase", "")
    signature, timestamp = header("ok-access-sign", ""), header("ok-access-timestamp", "")
    for value, code in ((key, "50103"), (passphrase, "50104"), (signature, "50106"), (timestamp, "50107")):
        if not value:
            raise OkxError(code)
    account = account_of_key(key)
    if account is None:
        raise OkxError("50111")
    try:
        sent = datetime.fromisoformat(timestamp)
    except ValueError:
        raise OkxError("50112") from None
    if sent.tzinfo is None:
        raise OkxError("50112")
    if abs(round(sent.timestamp() * 1000) * 1_000_000 - now) > _WINDOW:
        raise OkxError("50102")
    if not hmac.compare_digest(passphrase.encode(), account.credentials.passphrase.encode()):
        raise OkxError("50105")
    text = timestamp + request.method + request.target + request.body.decode("utf-8", "replace")
    if not hmac.compare_digest(signature.encode(), sign(account.credentials.secret, text).encode()):
        raise OkxError("50113")
    return account


def login(arg: dict[str, str], account_of_key: AccountOfKey, now: int) -> Account | str:
    """The account that a socket's login speaks for, or the code that refuses it.

    60004 the timestamp is no number of seconds, 60006 it is more than 30 s off, 60005 the key is unknown,
    60024 the passphrase, 60007 the signature is wrong, 60009 a field is missing.
    """
    if not all(arg.get(name) for name in ("apiKey", "passphrase", "timestamp", "sign")):
        return "60009"
    timestamp = arg["timestamp"]
    if not (timestamp.isascii() and timestamp.isdigit()):
        return "60004"
    if abs(int(timestamp) * NS_PER_S - now) > _WINDOW:
        return "60006"
    account = account_of_key(arg["apiKey"])
    if account is None:
        return "60005"
    if not hmac.compare_digest(arg["passphrase"].encode(), account.credentials.passphrase.encode()):
        return "60024"
    expected = sign(account.credentials.secret, timestamp + _LOGIN)
    if not hmac.compare_digest(arg["sign"].encode(), expected.encode()):
        return "60007"
    return account
