"""Each service's environment: the contract between the stacks, which set it, and the services. PURE.

A field ``aws_region`` is the variable ``SPIDER_AWS_REGION``. Times in settings are milliseconds.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from spider_common.domain.journal import Timing

PREFIX: Final = "SPIDER_"
STDOUT: Final = "stdout"
_MS: Final = 1_000_000

Positive = Annotated[int, msgspec.Meta(gt=0)]
Settings = TypeVar("Settings", bound="CommonSettings")


_TIMING: Final = ("lease_ms", "window_ms", "skew_ms", "visibility_ms")
# What an address may begin with.
_SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {
    "aws_endpoint": ("http", "https"),
    "okx_rest": ("http", "https"),
    "bitget_rest": ("http", "https"),
    "bingx_rest": ("http", "https"),
    "okx_socket": ("ws", "wss"),
    "bitget_socket": ("ws", "wss"),
    "bingx_socket": ("ws", "wss"),
    "redis_url": ("redis", "rediss"),
}
_MAY_BE_EMPTY: Final = ("aws_endpoint", "redis_url")


class BadSetting(ValueError):
    """A variable is missing, unknown or out of range. The text names it."""


class CommonSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every service of the copy path needs.

    Attributes:
        aws_region: where the tables, queues and secrets are.
        aws_endpoint: a stand-in for AWS, such as a local server; empty for AWS itself.
        names_prefix: stands before the name of each table, queue and secret: ``dev-``.
        okx_rest, bitget_rest, bingx_rest: the venue's address, or a simulator's.
        okx_socket, bitget_socket, bingx_socket: the address of its private socket.
        bingx_orders_per_s, bingx_queries_per_s: what BingX lets in from one address. Its sources contradict
            each other; the strictest is the default.
        redis_url: ``rediss://host:port``, of a cluster any node's; empty: no cache, the tables are read.
        redis_credential: the name or ARN of the secret with Redis' user and password, which may be rotated;
            empty: what the URL says, or nobody.
        local_address: the source address of connections to venues; empty: the system's choice.
        egress_address: the address that venues see, for which they count; empty: `local_address`.
        tasks: how many tasks of all services may be running: without Redis each keeps to its share of the
            venues' limits.
        skew_ms: by how much two clocks may differ; see `spider_common.domain.journal.Timing`.
        heartbeat: a file touched while the event loop turns, which says how far the service is; empty: none.
        drain_ms: how long work under way may take after SIGTERM; below the task's stopTimeout.
        log_level: the least that is logged.
        metrics_to: where metrics are told: ``stdout``, where AWS finds them, a file, or nowhere if empty.
        metrics_ms: how often.
    """

    aws_region: str = "us-east-1"
    aws_endpoint: str = ""
    names_prefix: str = ""
    okx_rest: str = "https://www.okx.com"
    okx_socket: str = "wss://ws.okx.com:8443/ws/v5/private"
    bitget_rest: str = "https://api.bitget.com"
    bitget_socket: str = "wss://ws.bitget.com/v2/ws/private"
    bingx_rest: str = "https://open-api.bingx.com"
    bingx_socket: str = "wss://open-api-swap.bingx.com/swap-market"
    bingx_orders_per_s: Positive = 3
    bingx_queries_per_s: Positive = 2
    redis_url: str = ""
    redis_credential: str = ""
    local_address: str = ""
    egress_address: str = ""
    tasks: Positive = 4
    skew_ms: Positive = 500
    heartbeat: str = ""
    drain_ms: Positive = 20_000
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_to: str = STDOUT
    metrics_ms: Positive = 10_000


class OmsSettings(CommonSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the order service needs beside that.

    Attributes:
        owner: names this task in leases; empty: made from host and process.
        lease_ms: how long a journal row is owned without renewal.
        window_ms: how long a venue may take to receive a request.
        visibility_ms: how long an accepted order may stay invisible to queries.
        queue_visibility_ms: how long a message stays with this task unless it says so again.
        queue_wait_ms: how long a poll waits for a message: the longer, the fewer requests; at most 20 s.
        reconcile_ms: how often what followers hold is held against what was planned.
        drift_grace_ms: how long a difference lasts before it is believed.
        reconcile_wait_ms: how long the start waits for accounts that have not told what they hold.
    """

    owner: str = ""
    reconcile_ms: Positive = 30_000
    drift_grace_ms: Positive = 30_000
    reconcile_wait_ms: Positive = 60_000
    lease_ms: Positive = 10_000
    window_ms: Positive = 2_000
    visibility_ms: Positive = 3_000
    queue_visibility_ms: Annotated[int, msgspec.Meta(ge=1_000)] = 30_000
    queue_wait_ms: Annotated[int, msgspec.Meta(ge=1_000, le=20_000)] = 20_000

    @property
    def timing(self) -> Timing:
        return Timing(
            lease=self.lease_ms * _MS,
            window=self.window_ms * _MS,
            skew=self.skew_ms * _MS,
            visibility=self.visibility_ms * _MS,
        )


class IngestSettings(CommonSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the ingest service needs beside that.

    Attributes:
        sweep_ms: how often REST is asked beside the sweeps after each connect.
        hold_ms: how long what a new socket tells waits for the sweep of what was missed before it. Then it
            goes first: copies are early rather than in the order of the leader's fills.
    """

    sweep_ms: Positive = 60_000
    hold_ms: Positive = 10_000


def read(kind: type[Settings], environment: Mapping[str, str]) -> Settings:
    """A service's settings from its environment.

    Raises:
        BadSetting: a variable with our prefix is unknown to the service, its value is out of range, or
            does not fit another's.
    """
    written = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX)
    }
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name, value in written.items():
        variable = _variable(name)
        if name not in known:
            raise BadSetting(
                f"{variable}: {kind.__name__} has no such setting; "
                f"it has {', '.join(map(_variable, sorted(known)))}"
            )
        try:
            msgspec.convert(value, known[name], strict=False)
        except msgspec.ValidationError as error:
            raise BadSetting(f"{variable}: {error}") from error
        schemes = _SCHEMES.get(name, ())
        if schemes and not _is_address(value, schemes) and (value or name not in _MAY_BE_EMPTY):
            # what stands there is not shown: it may hold a password
            raise BadSetting(f"{variable}: write it as {' or '.join(schemes)}://HOST[:PORT]")
    chosen = msgspec.convert(written, kind, strict=False)
    if isinstance(chosen, OmsSettings):
        try:
            _ = chosen.timing
        except ValueError as error:
            raise BadSetting(f"{', '.join(map(_variable, _TIMING))}: {error}") from error
    return chosen


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _is_address(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # not a port, or brackets that do not close
        return False


def write(settings: CommonSettings) -> dict[str, str]:
    """The environment from which `read` makes these settings, every field named but those that are empty.

    ECS takes variables with an empty value out of a task definition, so empty is said by saying nothing.

    Raises:
        BadSetting: a field is empty that would then get a default that is not.
    """
    written = {}
    for field in msgspec.structs.fields(settings):
        variable, value = PREFIX + field.name.upper(), getattr(settings, field.name)
        if value != "":
            written[variable] = str(value).lower() if isinstance(value, bool) else str(value)
        elif field.default != "":
            raise BadSetting(f"{variable}: cannot be emptied by leaving it out; give it a value")
    return written
