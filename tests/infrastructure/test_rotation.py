"""The rotation of Redis' password as it is deployed: what it is given, and what it may reach."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")

import cdktf

from spider_common import schema
from stacks.constructs.provider import use_aws
from stacks.constructs.rotation import PACKAGE, Rotation
from stacks.environments import ENVIRONMENTS
from stacks.packing import ROOT, pack
from stacks.rules import problems

ACCOUNT = "123456789012"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:dev-redis-AbCdEf"
KEY, LOGS_KEY = (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{name}" for name in ("stores", "logs"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack with nothing but the rotation, synthesized."""
    into = tmp_path_factory.mktemp("rotation")
    app = cdktf.App(outdir=str(into))
    stack = cdktf.TerraformStack(app, "scratch")
    environment = ENVIRONMENTS["dev"]
    use_aws(stack, environment=environment, account=ACCOUNT, stack="scratch")
    Rotation(
        stack,
        "rotation",
        environment=environment,
        account=ACCOUNT,
        secret=SECRET,
        redis_address="redis.example.com",
        subnets=["subnet-1", "subnet-2"],
        group="sg-1",
        key=KEY,
        logs_key=LOGS_KEY,
    )
    app.synth()
    return into / "stacks" / "scratch"


@pytest.fixture(scope="module")
def resources(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.json.decode((folder / "cdk.tf.json").read_bytes())["resource"]
    return found


def only(resources: Mapping[str, Any], kind: str) -> Any:
    (body,) = resources[kind].values()
    return body


def test_it_breaks_no_rule(resources: Mapping[str, Any]) -> None:
    """Its queue takes a function's dead letters; all that keeps anything is encrypted and forgets."""
    assert problems(resources, protected=False) == []


def test_only_the_secret_store_calls_it_for_this_secret(resources: Mapping[str, Any]) -> None:
    """Every thirty days, and once at the start; never twice at a time."""
    called, schedule = (
        only(resources, kind) for kind in ("aws_lambda_permission", "aws_secretsmanager_secret_rotation")
    )
    assert (called["principal"], called["source_arn"], called["source_account"]) == (
        "secretsmanager.amazonaws.com",
        SECRET,
        ACCOUNT,
    )
    assert schedule["secret_id"] == SECRET
    assert schedule["rotation_rules"] == {"automatically_after_days": 30}
    assert only(resources, "aws_lambda_function")["reserved_concurrent_executions"] == 1


def test_it_is_told_whose_password_it_turns_and_no_password(resources: Mapping[str, Any]) -> None:
    """The user of the services, with the access that the cache needs."""
    function = only(resources, "aws_lambda_function")
    assert function["environment"]["variables"] == {
        "SPIDER_REDIS_HOST": "redis.example.com",
        "SPIDER_USER_ID": "dev-services",
        "SPIDER_USER": schema.CACHE_USER,
        "SPIDER_ACCESS": schema.CACHE_ACCESS,
    }
    assert (function["kms_key_arn"], function["vpc_config"]["security_group_ids"]) == (KEY, ["sg-1"])


def test_it_may_do_what_it_does_and_nothing_else(resources: Mapping[str, Any]) -> None:
    """The calls in its code are what its role may do with the secret and the user, none missing, none more;
    and only with these."""
    policy = msgspec.json.decode(only(resources, "aws_iam_role_policy")["policy"])
    may = {action: each["Resource"] for each in policy["Statement"] for action in each["Action"]}
    code = "".join(source.read_text() for source in sorted((ROOT / PACKAGE).glob("*.py")))
    services = {"secrets": "secretsmanager", "cache": "elasticache"}
    calls = {
        f"{services[client]}:{method.title().replace('_', '')}"
        for client, method in re.findall(r"self\._(secrets|cache)\.(\w+)\(", code)
    }
    assert calls == {action for action in may if action.partition(":")[0] in services.values()}
    for action in calls:
        (on,) = may[action]
        assert on == (
            SECRET
            if action.startswith("secretsmanager:")
            else f"arn:aws:elasticache:us-east-1:{ACCOUNT}:user:dev-services"
        )


def test_what_is_deployed_is_packed_alike_everywhere(
    folder: Path, resources: Mapping[str, Any], tmp_path: Path
) -> None:
    """The same sources give the same bytes, whose hash Lambda is told; and nothing but sources is in them."""
    function = only(resources, "aws_lambda_function")
    again = pack(PACKAGE, tmp_path)
    assert (folder / function["filename"]).read_bytes() == again.file.read_bytes()
    assert function["source_code_hash"] == again.sha256
    with zipfile.ZipFile(again.file) as packed:
        names = packed.namelist()
    assert names == sorted(names)
    assert all(name.startswith(f"{PACKAGE}/") and name.endswith(".py") for name in names)


def test_what_is_deployed_stands_alone(tmp_path: Path) -> None:
    """Unpacked beside boto3, and nothing else of ours, the handler that Lambda is told of is there."""
    with zipfile.ZipFile(pack(PACKAGE, tmp_path).file) as packed:
        packed.extractall(tmp_path / "task")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from services.rotation.handler import handle
foreign = {"spider_common", "trio", "msgspec", "redis"} & set(sys.modules)
print(handle.__module__, *foreign)
"""
    run = subprocess.run(
        [sys.executable, "-I", "-c", script, str(tmp_path / "task")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert run.stdout.split() == ["services.rotation.handler"]
