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
