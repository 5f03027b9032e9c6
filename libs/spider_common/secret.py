"""Values that must not be shown: not in logs, not in errors, not in traces."""

from typing import Any

import msgspec


class Secret:
    """A text that prints as ``***``. `reveal` gives it to the one who signs with it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """An account's API key at its venue. `passphrase` is empty where the venue has none (BingX)."""

    key: Secret
    secret: Secret
    passphrase: Secret


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    secret: str
    passphrase: str = ""


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
    return Credentials(
        key=Secret(written.key), secret=Secret(written.secret), passphrase=Secret(written.passphrase)
    )


def write_credentials(credentials: Credentials) -> str:
    """The text that `read_credentials` reads, for the secret store."""
    written: dict[str, Any] = {
        "key": credentials.key.reveal(),
        "secret": credentials.secret.reveal(),
        "passphrase": credentials.passphrase.reveal(),
    }
    return msgspec.json.encode(written).decode()
