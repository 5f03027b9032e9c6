"""An account's API key as it is now: whoever connects or sweeps asks each time."""

from spider_common.domain.identifiers import AccountId
from spider_common.secret import Credentials
from spider_common.stores.secrets import Secrets, SecretsUnavailable


class Key:
    """The key of one account. A changed one is used from the next question on, without a restart.

    Args:
        credentials: what the store said when the account was taken up.
    """

    def __init__(self, account: AccountId, credentials: Credentials, secrets: Secrets) -> None:
        self._account, self._last, self._secrets = account, credentials, secrets

    async def current(self) -> Credentials:
        """The stored key; while the store does not answer or has none, the last known: if that is no longer
        good the venue will say so."""
        try:
            stored = await self._secrets.credentials(self._account)
        except SecretsUnavailable:
            stored = None
        self._last = stored or self._last
        return self._last
