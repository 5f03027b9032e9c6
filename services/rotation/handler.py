"""What Lambda calls, and what Secrets Manager tells it: one step of one rotation.

The environment names the cache (``SPIDER_REDIS_HOST``) and its user (``SPIDER_USER_ID``, ``SPIDER_USER``,
``SPIDER_ACCESS``).
"""

import json
import os
import secrets
import ssl
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import boto3

from services.rotation.door import is_let_in
from services.rotation.turning import ALPHABET, LENGTH, Turning, User

PORT: Final = 6379


def handle(event: Mapping[str, str], _context: object) -> None:
    """Does the step, and leaves a line of it. What goes wrong is raised: Lambda writes it down."""
    step, secret, token = event["Step"], event["SecretId"], event["ClientRequestToken"]
    tls = ssl.create_default_context()
    turning = Turning(
        secrets=_client("secretsmanager"),
        cache=_client("elasticache"),
        user=User(os.environ["SPIDER_USER_ID"], os.environ["SPIDER_USER"], os.environ["SPIDER_ACCESS"]),
        is_let_in=partial(is_let_in, os.environ["SPIDER_REDIS_HOST"], PORT, tls),
        new_password=new_password,
        sleep=time.sleep,
    )
    turning.run(step, secret, token)
    line = {"event": "redis.password_turning", "step": step, "secret": secret, "version": token}
    sys.stdout.write(json.dumps(line) + "\n")


def new_password() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def _client(service: str) -> Any:
    # the SDK's own names differ by service, which its annotations need spelled out
    client: Any = boto3.client(service)  # type: ignore[call-overload]
    return client
