"""API keys of accounts, from Secrets Manager. Kept in this process's memory only, and not for long."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import botocore.exceptions
import trio

from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import AccountId
from spider_common.sdk.aws import Aws
from spider_common.secret import (
    Credentials,
    Login,
    read_credentials,
    read_login,
    write_credentials,
)
from spider_common.stores.aws_errors import UNANSWERED, error_code

KEEP_NS: Final = 300 * NS_PER_S
"""A changed key is used after at most this long."""
_AHEAD_NS: Final = KEEP_NS // 2  # so that none runs out while it is read ahead often enough
_BATCH: Final = 20  # BatchGetSecretValue's limit


class SecretsUnavailable(Exception):
    """The secret store gave no answer."""


class Secrets(Protocol):
    """Where credentials come from."""

    async def credentials(self, account: AccountId) -> Credentials | None:
        """An account's API key; None if none is stored that can be read.

        Raises:
            SecretsUnavailable: no answer came, and none is remembered.
        """
        ...

    async def read_ahead(self, accounts: Iterable[AccountId]) -> None:
        """Reads many keys in few calls, so that `credentials` has them at hand. What fails is left to it."""
        ...


class MemorySecrets:
    """Credentials in memory: the simulation's."""

    def __init__(self, credentials: Mapping[AccountId, Credentials]) -> None:
        self._credentials = dict(credentials)

    async def credentials(self, account: AccountId) -> Credentials | None:
        return self._credentials.get(account)

    async def read_ahead(self, accounts: Iterable[AccountId]) -> None:
        """They are at hand."""

    def put(self, account: AccountId, credentials: Credentials) -> None:
        """Stores an account's key, over one that is there."""
        self._credentials[account] = credentials


class SecretsManager:
    """AWS Secrets Manager, one secret for each account: ``<prefix>accounts/<account>``."""

    def __init__(self, aws: Aws, clock: Clock, *, prefix: str) -> None:
        self._aws, self._clock, self._prefix = aws, clock, prefix
        self._client = aws.client("secretsmanager")
        self._kept: dict[AccountId, tuple[Credentials, int]] = {}
        self._read_ahead: dict[AccountId, int] = {}  # when last, Unix ns

    async def credentials(self, account: AccountId) -> Credentials | None:
        kept = self._kept.get(account)
        if kept is not None and self._clock.now() - kept[1] < KEEP_NS:
            return kept[0]
        try:
            answer = await self._aws.call(self._client.get_secret_value, SecretId=self._name(account))
        except botocore.exceptions.ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            if kept is not None:
                return kept[0]
            raise SecretsUnavailable(f"{self._name(account)}: {error_code(error)}") from error
        except UNANSWERED as error:
            if kept is not None:
                return kept[0]  # the venue will say so if it is no longer the right one
            raise SecretsUnavailable(f"{self._name(account)}: no answer") from error
        return self._keep(account, answer["SecretString"])

    async def read_ahead(self, accounts: Iterable[AccountId]) -> None:
        now = self._clock.now()
        due = [each for each in accounts if now - self._read_ahead.get(each, -_AHEAD_NS) >= _AHEAD_NS]
        if not due:
            return
        self._read_ahead.update(dict.fromkeys(due, now))
        async with trio.open_nursery() as nursery:
            for start in range(0, len(due), _BATCH):
                nursery.start_soon(self._read_batch, due[start : start + _BATCH], name="secrets.read_ahead")

    async def _read_batch(self, accounts: Sequence[AccountId]) -> None:
        names = {self._name(account): account for account in accounts}
        try:
            answer = await self._aws.call(self._client.batch_get_secret_value, SecretIdList=list(names))
        except (botocore.exceptions.ClientError, *UNANSWERED):
            return
        for told in answer.get("SecretValues", []):
            self._keep(names[told["Name"]], told["SecretString"])

    def _keep(self, account: AccountId, text: str) -> Credentials | None:
        try:
            credentials = read_credentials(text)
        except ValueError:
            return None  # no key of ours: as good as none, and no reason to stop the other accounts
        self._kept[account] = (credentials, self._clock.now())
        return credentials

    async def login(self, name: str) -> Login:
        """A server's login by the whole name or the ARN of its secret, as it is now: nothing is remembered.

        Raises:
            SecretsUnavailable: no answer came, or there is no such login that may be read.
        """
        try:
            answer = await self._aws.call(self._client.get_secret_value, SecretId=name)
            return read_login(answer["SecretString"])
        except botocore.exceptions.ClientError as error:
            raise SecretsUnavailable(f"{name}: {error_code(error)}") from error
        except UNANSWERED as error:
            raise SecretsUnavailable(f"{name}: no answer") from error
        except ValueError as error:
            raise SecretsUnavailable(f"{name}: {error}") from error

    async def put(self, account: AccountId, credentials: Credentials) -> None:
        """Stores an account's key, over one that is there."""
        text = write_credentials(credentials)
        try:
            await self._aws.call(self._client.create_secret, Name=self._name(account), SecretString=text)
        except botocore.exceptions.ClientError as error:
            if error_code(error) != "ResourceExistsException":
                raise
            await self._aws.call(
                self._client.put_secret_value, SecretId=self._name(account), SecretString=text
            )

    def _name(self, account: AccountId) -> str:
        return f"{self._prefix}accounts/{account}"
