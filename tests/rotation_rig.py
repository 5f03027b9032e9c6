"""Secrets Manager and ElastiCache as the rotation sees them, in memory, and a rotation that may die anywhere.

`FakeSecrets` is held to moto's server of the same calls by `tests/contract/test_rotation_fakes.py`.
"""

# ruff: noqa: N803  arguments are named as boto3 names them
from collections.abc import Callable, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from services.rotation.turning import CURRENT, PENDING, Turning, User

SECRET: Final = "dev-redis"
USER: Final = User("dev-services", "services", "on ~* +@all")


class Died(BaseException):
    """The function was stopped: nothing of it runs any more."""


class FakeSecrets:
    """One secret and its versions. `begin` is what RotateSecret does before it calls the function."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.labels: dict[str, list[str]] = {}

    def begin(self, token: str) -> None:
        for labels in self.labels.values():
            if PENDING in labels:
                labels.remove(PENDING)
        self.labels.setdefault(token, []).append(PENDING)

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        return {
            "VersionIdsToStages": {token: list(labels) for token, labels in self.labels.items() if labels}
        }

    def get_secret_value(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        VersionId: str | None = None,
    ) -> dict[str, Any]:
        for token, labels in self.labels.items():
            if VersionStage in labels and VersionId in (None, token) and token in self.values:
                return {"SecretString": self.values[token]}
        raise refusal("ResourceNotFoundException", "GetSecretValue")

    def put_secret_value(
        self,
        *,
        SecretId: str,
        ClientRequestToken: str,
        SecretString: str,
        VersionStages: list[str],
    ) -> None:
        if self.values.get(ClientRequestToken, SecretString) != SecretString:
            raise refusal("ResourceExistsException", "PutSecretValue")
        self.values[ClientRequestToken] = SecretString
        for labels in self.labels.values():
            labels[:] = [label for label in labels if label not in VersionStages]
        self.labels.setdefault(ClientRequestToken, []).extend(VersionStages)

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str,
        RemoveFromVersionId: str | None = None,
    ) -> None:
        holders = [token for token, labels in self.labels.items() if VersionStage in labels]
        if holders != ([] if RemoveFromVersionId is None else [RemoveFromVersionId]):
            raise refusal("InvalidParameterException", "UpdateSecretVersionStage")
        for token in holders:
            self.labels[token].remove(VersionStage)
        self.labels[MoveToVersionId].append(VersionStage)

    @property
    def current(self) -> list[str]:
        """The versions that are current: one, or none before the first rotation."""
        return [token for token, labels in self.labels.items() if CURRENT in labels]


class FakeCache:
    """ElastiCache with one user, which has what it was told after being looked at `slowness` times."""

    def __init__(self, slowness: int = 2) -> None:
        self.passwords: list[str] = []
        self.access = "off -@all"
        self._slowness, self._left = slowness, 0
        self._told: tuple[str, list[str]] | None = None

    def describe_users(self, *, UserId: str) -> dict[str, Any]:
        assert UserId == USER.id
        self.pass_time()
        return {"Users": [{"UserId": UserId, "Status": "active" if self._told is None else "modifying"}]}

    def modify_user(self, *, UserId: str, AccessString: str, AuthenticationMode: dict[str, Any]) -> None:
        assert UserId == USER.id
        if self._told is not None:
            raise refusal("InvalidUserState", "ModifyUser")
        passwords = AuthenticationMode["Passwords"]
        assert AuthenticationMode["Type"] == "password"
        if not 1 <= len(set(passwords)) == len(passwords) <= 2 or not all(
            16 <= len(p) <= 128 for p in passwords
        ):
            raise refusal("InvalidParameterValue", "ModifyUser")
        self._told, self._left = (AccessString, passwords), self._slowness

    def pass_time(self) -> None:
        if self._told is not None:
            self._left -= 1
            if self._left < 0:
                (self.access, self.passwords), self._told = self._told, None

    def is_let_in(self, name: str, password: str) -> bool:
        return name == USER.name and self.access.startswith("on") and password in self.passwords


class Mortal:
    """A client whose call number `dies_at` is the function's last: before it is done, or just after."""

    def __init__(self, client: Any, life: list[int], after: bool, saw: Callable[[], None]) -> None:
        self._client, self._life, self._after, self._saw = client, life, after, saw

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **options: Any) -> Any:
            self._life[0] -= 1
            dies = self._life[0] == 0
            if dies and not self._after:
                raise Died
            answer = method(*args, **options)
            self._saw()
            if dies:
                raise Died
            return answer

        return call


def turning(
    secrets: Any,
    cache: FakeCache,
    passwords: Sequence[str] | Callable[[], str],
    *,
    life: int = 0,
    after: bool = False,
    saw: Callable[[], None] = lambda: None,
) -> Turning:
    """The rotation, which dies at its call number `life`; 0: never."""
    left = [life or -1]
    new = passwords if callable(passwords) else iter(passwords).__next__
    return Turning(
        secrets=Mortal(secrets, left, after, saw),
        cache=Mortal(cache, left, after, saw),
        user=USER,
        is_let_in=Mortal(cache, left, after, saw).is_let_in,
        new_password=new,
        sleep=lambda _: cache.pass_time(),
    )


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, operation)
