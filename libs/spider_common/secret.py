"""Secrets that do not show themselves."""

import hmac
from typing import NoReturn

import msgspec


class Secret:
    """A text that appears in no log, repr or exception; `reveal` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "'***'"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


class Credentials(msgspec.Struct, frozen=True):
    """What an account's requests are signed with. BingX has no passphrase."""

    key: Secret
    secret: Secret
    passphrase: Secret | None = None


class Login(msgspec.Struct, frozen=True):
    """A user of a server, and the password that opens it. A user without a name is the server's own."""

    user: str
    password: Secret


class _WrittenLogin(msgspec.Struct):
    username: str
    password: str


def read_login(text: str) -> Login:
    """A login from ``{"username": ..., "password": ...}``, which is how AWS writes those it rotates.

    Raises:
        ValueError: a field is missing. The text never shows a value.
    """
    try:
        written = msgspec.json.decode(text, type=_WrittenLogin)
    except msgspec.ValidationError as error:
        raise ValueError(f"login: {error}") from None
    except msgspec.DecodeError:
        raise ValueError("login: not JSON; write an object with username and password") from None
    return Login(written.username, Secret(written.password))


class _Written(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    key: str
    secret: str
    passphrase: str | None = None


def read_credentials(text: str) -> Credentials:
    """Credentials from ``{"key": ..., "secret": ..., "passphrase": ...}``.

    Raises:
        ValueError: a field is missing or unknown. The text never shows a value.
    """
    try:
        written = msgspec.json.decode(text, type=_Written)
    except msgspec.ValidationError as error:
        raise ValueError(f"credentials: {error}") from None
    except msgspec.DecodeError:
        raise ValueError("credentials: not JSON; write an object with key, secret and passphrase") from None
    passphrase = None if written.passphrase is None else Secret(written.passphrase)
    return Credentials(Secret(written.key), Secret(written.secret), passphrase)


def write_credentials(credentials: Credentials) -> str:
    """The text that `read_credentials` reads, for the secret store."""
    passphrase = None if credentials.passphrase is None else credentials.passphrase.reveal()
    written = _Written(credentials.key.reveal(), credentials.secret.reveal(), passphrase)
    return msgspec.json.encode(written).decode()
