"""Bitget signatures: REST headers and the socket's login. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from services.simulator.accounts import Account
from services.simulator.bitget.codes import BitgetError
from services.simulator.request import Request
from spider_common.clock import NS_PER_MS, NS_PER_S

MAX_AGE: Final = 30 * NS_PER_S  # how far a timestamp may be from the venue's clock
_LOGIN: Final = "GET/user/verify"

AccountOfKey = Callable[[str], Account | None]


def sign(secret: str, text: str) -> str:
    """Base64 of the HMAC-SHA256 of `text`."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()


def authenticate(request: Request, account_of_key: AccountOfKey, now: int) -> Account:
    """The account that signed a REST request.

    Raises:
        BitgetError: 40001, 40003, 40005 and 40011 a header is missing or malformed; 40006 the key is unknown;
            40008 see `check_age`; 40012 the passphrase, 40009 the signature is wrong.
    """
    header = request.headers.get
    key, passphrase = header("access-key", ""), header("access-passphrase", "")
    signature, timestamp = header("access-sign", ""), header("access-timestamp", "")
    for value, code in ((key, "40001"), (signature, "40003"), (passphrase, "40011")):
        if not value:
            raise BitgetError(code)
    account = account_of_key(key)
    if account is None:
        raise BitgetError("40006")
    check_age(request, now)
    if not hmac.compare_digest(passphrase.encode(), account.credentials.passphrase.encode()):
        raise BitgetError("40012")
    query = f"?{unquote(request.query)}" if request.query else ""  # the query is signed decoded
    text = timestamp + request.method + request.path + query + request.body.decode("utf-8", "replace")
    if not hmac.compare_digest(signature.encode(), sign(account.credentials.secret, text).encode()):
        raise BitgetError("40009")
    return account


def check_age(request: Request, now: int) -> None:
    """Raises BitgetError: 40005 the timestamp is no number of ms, 40008 it is more than 30 s off."""
    timestamp = request.headers.get("access-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise BitgetError("40005")
    if abs(int(timestamp) * NS_PER_MS - now) > MAX_AGE:
        raise BitgetError("40008")


def login(arg: dict[str, str], account_of_key: AccountOfKey, now: int) -> Account | int:
    """The account that a socket's login speaks for, or the code that refuses it.

    30013 the timestamp is no number of seconds, 30014 it is more than 30 s off, 30011 the key is unknown,
    30012 the passphrase, 30015 the signature is wrong, 30005 a field is missing.
    """
    if not all(arg.get(name) for name in ("apiKey", "passphrase", "timestamp", "sign")):
        return 30005
    timestamp = arg["timestamp"]
    if not (timestamp.isascii() and timestamp.isdigit()):
        return 30013
    if abs(int(timestamp) * NS_PER_S - now) > MAX_AGE:
        return 30014
    account = account_of_key(arg["apiKey"])
    if account is None:
        return 30011
    if not hmac.compare_digest(arg["passphrase"].encode(), account.credentials.passphrase.encode()):
        return 30012
    expected = sign(account.credentials.secret, timestamp + _LOGIN)
    if not hmac.compare_digest(arg["sign"].encode(), expected.encode()):
        return 30015
    return account
