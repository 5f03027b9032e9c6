"""The login of private sockets that OKX began and Bitget has too. PURE.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-login and
https://www.bitget.com/api-doc/common/websocket-intro#login
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from spider_common.secret import Credentials

_S: Final = 1_000_000_000


def login_frame(credentials: Credentials, now: int, *, path: str) -> str:
    """The login request, signed over `path` for the second in which `now` (Unix ns) lies; valid for 30 s."""
    seconds = str(now // _S)
    assert credentials.passphrase is not None, "keys of these venues have a passphrase"
    digest = hmac.digest(credentials.secret.reveal().encode(), f"{seconds}GET{path}".encode(), hashlib.sha256)
    argument = {
        "apiKey": credentials.key.reveal(),
        "passphrase": credentials.passphrase.reveal(),
        "timestamp": seconds,
        "sign": base64.b64encode(digest).decode(),
    }
    return msgspec.json.encode({"op": "login", "args": [argument]}).decode()
