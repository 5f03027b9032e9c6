"""Laws of secrets: they show themselves nowhere but where they are asked to."""

import copy
import pickle
from collections.abc import Callable

import msgspec
import pytest

from spider_common.secret import (
    Credentials,
    Login,
    Secret,
    read_credentials,
    read_login,
    write_credentials,
)

TEXT = "hunter2-hunter2"


@pytest.mark.parametrize("shown", [repr, str, ascii, "{}".format, "{!s:>40}".format])
@pytest.mark.parametrize(
    "value",
    [
        Secret(TEXT),
        Credentials(Secret(TEXT), Secret(TEXT), Secret(TEXT)),
        Login("services", Secret(TEXT)),
        [Secret(TEXT)],
        {"key": Secret(TEXT)},
    ],
)
def test_a_secret_does_not_show(shown: Callable[[object], str], value: object) -> None:
    """Not alone, not inside credentials or containers."""
    assert TEXT not in shown(value)


def test_reveal_is_the_way_to_it() -> None:
    """And the only one."""
    assert Secret(TEXT).reveal() == TEXT
    assert not hasattr(Secret(TEXT), "__dict__")


def test_equality_goes_by_the_text() -> None:
    """So that a changed key can be told from the same one."""
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))


def test_a_secret_is_not_serialised() -> None:
    """Neither pickled, nor copied into JSON by accident; the errors do not show it either."""
    for write in (pickle.dumps, copy.deepcopy, msgspec.json.encode):
        with pytest.raises(TypeError) as caught:
            write(Credentials(Secret(TEXT), Secret(TEXT)))  # type: ignore[operator]  # three of one shape
        assert TEXT not in str(caught.value)


@pytest.mark.parametrize("passphrase", [None, Secret("phrase")])
def test_written_credentials_are_read_again(passphrase: Secret | None) -> None:
    """Writing and reading are inverse."""
    credentials = Credentials(Secret(TEXT), Secret("s"), passphrase)
    assert read_credentials(write_credentials(credentials)) == credentials


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'{{"key":"{TEXT}"}}', "secret"),
        (f'{{"key":"{TEXT}","secret":7}}', "$.secret"),
        (f'{{"key":"{TEXT}","secret":"s","pasphrase":"{TEXT}"}}', "pasphrase"),
        (f'["{TEXT}"]', "object"),
        (TEXT, "not JSON"),
        (f'{{"key":"{TEXT}', "not JSON"),
    ],
)
def test_unreadable_credentials_are_named_and_not_shown(text: str, words: str) -> None:
    """The error says what is wrong; neither it nor what it came from shows a value."""
    with pytest.raises(ValueError, match=r"^credentials: ") as caught:
        read_credentials(text)
    assert words in str(caught.value)
    assert TEXT not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_login_is_read_as_aws_writes_it() -> None:
    """User and password are taken, what else AWS keeps beside them is left."""
    text = f'{{"username": "services", "password": "{TEXT}", "user_arn": "arn:..."}}'
    assert read_login(text) == Login("services", Secret(TEXT))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT, "not JSON; write an object with username and password"),
        (f'{{"password": "{TEXT}"}}', "username"),
        (f'{{"username": "{TEXT}"}}', "password"),
        (f'{{"username": "u", "password": ["{TEXT}"]}}', "password"),
    ],
)
def test_a_bad_login_names_the_field_and_no_value(text: str, words: str) -> None:
    """An error can be logged."""
    with pytest.raises(ValueError, match=words) as caught:
        read_login(text)
    assert TEXT not in str(caught.value)
