"""The four steps in which Secrets Manager has a password turned, each safe to repeat and to die in.

A version of the secret is named by the token of its rotation and carries labels: AWSPENDING from the start
of the rotation on, AWSCURRENT once it is finished. A user of ElastiCache may have two passwords. `set`
gives it the current and the pending one, so whoever knows the current one goes on; `finish` makes the
pending one current only after it was let in. The password before it stays valid until the next turn.

A secret that was never turned has no current version, and its user is turned off: the first turn lets it in.

Sources: "Lambda rotation functions" of the Secrets Manager guide; ModifyUser of the ElastiCache API.
"""

import json
import string
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
ALPHABET: Final = string.ascii_letters + string.digits  # what every quoting leaves alone
LENGTH: Final = 64
"""Of a password: 381 bits. ElastiCache takes 16 to 128 characters."""
LOOKS: Final = 60
LOOK_S: Final = 5.0
"""How often, and how long apart, is looked whether ElastiCache has done what it was told."""


class NotTurned(Exception):
    """A step that could not be done now, or may not be. Secrets Manager asks for it again, or tells of it."""


class User(NamedTuple):
    """A user of the cache.

    Attributes:
        id: as ElastiCache has it.
        name: as Redis has it.
        access: what it may do, from its next turn on.
    """

    id: str
    name: str
    access: str


class Turning:
    """The steps, by name: `run`.

    Args:
        secrets, cache: boto3's clients of Secrets Manager and ElastiCache.
        user: whose password it is.
        is_let_in: whether the cache lets a name with a password in.
        new_password: makes one of `LENGTH` characters of `ALPHABET` that nobody can guess.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        *,
        secrets: Any,
        cache: Any,
        user: User,
        is_let_in: Callable[[str, str], bool],
        new_password: Callable[[], str],
        sleep: Callable[[float], None],
    ) -> None:
        self._secrets, self._cache, self._user = secrets, cache, user
        self._is_let_in, self._new_password, self._sleep = is_let_in, new_password, sleep
        self._steps: Mapping[str, Callable[[str, str], None]] = {
            "createSecret": self._create,
            "setSecret": self._set,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }

    def run(self, step: str, secret: str, token: str) -> None:
        """Does one step of a rotation.

        Raises:
            NotTurned: it is no step of a rotation under way, or the cache did not follow in time.
            ClientError: AWS refused.
        """
        if step not in self._steps:
            raise NotTurned(f"step {step!r}: a rotation has {', '.join(self._steps)}")
        labels = self._labels(secret).get(token, ())
        if CURRENT in labels:
            return  # finished before
        if PENDING not in labels:
            raise NotTurned(f"version {token} of {secret} is not {PENDING}: this rotation was given up")
        self._steps[step](secret, token)

    def _create(self, secret: str, token: str) -> None:
        if self._password(secret, VersionId=token, VersionStage=PENDING) is not None:
            return
        written = json.dumps({"username": self._user.name, "password": self._new_password()})
        self._secrets.put_secret_value(
            SecretId=secret, ClientRequestToken=token, SecretString=written, VersionStages=[PENDING]
        )

    def _set(self, secret: str, token: str) -> None:
        pending = self._pending(secret, token)
        current = self._password(secret, VersionStage=CURRENT)
        self._wait_until_active()
        self._cache.modify_user(
            UserId=self._user.id,
            AccessString=self._user.access,
            AuthenticationMode={
                "Type": "password",
                "Passwords": [pending] if current is None else [current, pending],
            },
        )
        self._wait_until_active()

    def _test(self, secret: str, token: str) -> None:
        pending = self._pending(secret, token)
        for _ in range(LOOKS):
            if self._is_let_in(self._user.name, pending):
                return
            self._sleep(LOOK_S)
        raise NotTurned(f"the cache does not let {self._user.name} in with version {token} of {secret}")

    def _finish(self, secret: str, token: str) -> None:
        self._test(secret, token)  # whoever calls in whatever order: nothing becomes current that is shut out
        move = {"MoveToVersionId": token}
        for version, labels in self._labels(secret).items():
            if CURRENT in labels:
                move["RemoveFromVersionId"] = version
        self._secrets.update_secret_version_stage(SecretId=secret, VersionStage=CURRENT, **move)

    def _labels(self, secret: str) -> Mapping[str, list[str]]:
        labels: Mapping[str, list[str]] = self._secrets.describe_secret(SecretId=secret).get(
            "VersionIdsToStages", {}
        )
        return labels

    def _pending(self, secret: str, token: str) -> str:
        password = self._password(secret, VersionId=token, VersionStage=PENDING)
        if password is None:
            raise NotTurned(f"version {token} of {secret} has no password yet: createSecret comes first")
        return password

    def _password(self, secret: str, **version: str) -> str | None:
        try:
            answer = self._secrets.get_secret_value(SecretId=secret, **version)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        password: str = json.loads(answer["SecretString"])["password"]
        return password

    def _wait_until_active(self) -> None:
        for _ in range(LOOKS):
            (user,) = self._cache.describe_users(UserId=self._user.id)["Users"]
            if user["Status"] == "active":
                return
            self._sleep(LOOK_S)
        raise NotTurned(f"user {self._user.id} is {user['Status']} since {LOOKS * LOOK_S:.0f} s")
