"""The foundation stack of dev, applied to AWS's stand-in on this machine.

What is applied is what `make synth` wrote, less what moto cannot stand in for: `not_in_moto.toml` lists that,
and what moto tells wrongly of what it does have, each with the reason.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from services.local.terraform import prepare

ENVIRONMENT: Final = "dev"
PREFIX: Final = f"{ENVIRONMENT}-"
SYNTHESIZED: Final = Path(f"cdktf.out/stacks/foundation-{ENVIRONMENT}/cdk.tf.json")
MOTO_VARIABLES: Final = {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
"""What moto's server must be started with: the role of backups has policies that AWS manages."""

_ACCOUNT: Final = "123456789012"  # moto's
_SERVICES: Final = (
    "acm", "autoscaling", "backup", "cloudtrail", "cloudwatch", "codedeploy", "cognitoidp", "dynamodb", "ec2",
    "ecr", "ecs", "elasticache", "elbv2", "events", "iam", "kms", "lambda", "logs", "s3", "secretsmanager",
    "sns", "sqs", "ssm", "sts", "wafv2", "xray",
)  # fmt: skip

Configuration = dict[str, Any]


class NotDeployed(Exception):
    """The foundation cannot be applied here. The text says what to mend."""


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A type of resource that moto has not, and what happens when it is asked for."""

    type: str
    reason: str


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attribute that moto does not tell as it was written, so that a second plan would change it."""

    type: str
    attribute: str
    reason: str


class NotInMoto(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in which a deployment to moto is less than one to AWS."""

    left_out: tuple[LeftOut, ...]
    drift: tuple[Drift, ...]


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """An applied foundation.

    Attributes:
        outputs: by name, as the stack names them.
        resources: how many there are.
        left_out, drift: how many entries of `not_in_moto.toml` it took.
    """

    outputs: Mapping[str, Any]
    resources: int
    left_out: int
    drift: int


def not_in_moto() -> NotInMoto:
    """The list."""
    text = Path(__file__).with_name("not_in_moto.toml").read_text()
    return msgspec.convert(tomllib.loads(text), NotInMoto)


def for_moto(configuration: Configuration, left_out: Sequence[LeftOut]) -> Configuration:
    """A configuration less what is left out, and less the outputs that told of it. Pure.

    Raises:
        NotDeployed: something that stays refers to what goes.
    """
    gone = {each.type for each in left_out}
    resources = {kind: bodies for kind, bodies in configuration["resource"].items() if kind not in gone}
    named = tuple(f"{kind}.{name}" for kind in gone for name in configuration["resource"].get(kind, ()))
    for kind, bodies in resources.items():
        for name, body in bodies.items():
            for missing in _mentioned(body, named):
                raise NotDeployed(f"{kind}.{name} refers to {missing}: leave it out too, with the reason")
    outputs = {
        name: body for name, body in configuration["output"].items() if not list(_mentioned(body, named))
    }
    return {**configuration, "resource": resources, "output": outputs}


def override(aws_url: str) -> Configuration:
    """What sends every request of the provider to this address, and keeps the state beside it."""
    provider = {
        "access_key": "local",
        "secret_key": "local",
        "skip_credentials_validation": True,
        "skip_metadata_api_check": "true",
        "s3_use_path_style": True,
        "endpoints": [dict.fromkeys(_SERVICES, aws_url)],
    }
    backend = {"local": {"path": "foundation.tfstate"}}
    return {"terraform": {"backend": backend}, "provider": {"aws": [provider]}}


def would_change(plan: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What a plan, shown as JSON, would do: type and attribute, or type and action. Pure."""
    found = set()
    for each in plan["resource_changes"]:
        change = each["change"]
        before, after = change["before"] or {}, change["after"] or {}
        if change["actions"] == ["update"]:
            keys = before.keys() | after.keys()
            found |= {(each["type"], key) for key in keys if before.get(key) != after.get(key)}
        elif change["actions"] != ["no-op"]:
            found.add((each["type"], "/".join(change["actions"])))
    return found


def check_drift(found: set[tuple[str, str]], drift: Sequence[Drift]) -> None:
    """Refuse a second plan that would do more, or less, than moto is known to get wrong. Pure.

    Raises:
        NotDeployed: the text names what is not listed, or no longer needed.
    """
    listed = {(each.type, each.attribute) for each in drift}
    if found - listed:
        more = ", ".join(f"{kind}: {what}" for kind, what in sorted(found - listed))
        raise NotDeployed(f"a second plan would change what was just applied: {more}")
    if listed - found:
        less = ", ".join(f"{kind}: {what}" for kind, what in sorted(listed - found))
        raise NotDeployed(f"not_in_moto.toml lists drift that is not there any more: {less}")


async def deploy(place: Path, *, synthesized: Path, aws_url: str, environment: Mapping[str, str]) -> Deployed:
    """Applies the foundation there, and holds a second plan against what moto is known to get wrong.

    Raises:
        NotDeployed: nothing is synthesized, too much is left out, or a second plan would change something.
        NoTerraform: there is no Terraform here.
        TerraformFailed: it could not be applied.
    """
    if not synthesized.is_file():  # noqa: ASYNC240 once
        raise NotDeployed(f"{synthesized} is not there: run `make synth`")
    whole = msgspec.json.decode(synthesized.read_bytes())  # noqa: ASYNC240 once
    missing = not_in_moto()
    place.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 once
    (place / "cdk.tf.json").write_bytes(msgspec.json.encode(for_moto(whole, missing.left_out)))
    (place / "zz_override.tf.json").write_bytes(msgspec.json.encode(override(aws_url)))
    (place / "foundation.tfstate").unlink(missing_ok=True)  # moto forgets with its process
    given = {**environment, "TF_VAR_account_id": _ACCOUNT}
    terraform = await prepare(place, scratch=place, environment=given)
    await terraform.run(place, "apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=30")
    outputs = msgspec.json.decode(await terraform.run(place, "output", "-json"))
    await terraform.run(place, "plan", "-input=false", "-no-color", "-out=again.tfplan")
    plan = msgspec.json.decode(await terraform.run(place, "show", "-json", "again.tfplan"))
    check_drift(would_change(plan), missing.drift)
    return Deployed(
        outputs={name: each["value"] for name, each in outputs.items()},
        resources=len(plan["resource_changes"]),
        left_out=len(missing.left_out),
        drift=len(missing.drift),
    )


def _mentioned(body: object, named: Sequence[str]) -> Iterator[str]:
    text = msgspec.json.encode(body).decode()
    return (each for each in named if f"{each}." in text or f'"{each}"' in text)
