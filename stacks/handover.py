"""What the foundation of an environment hands to its services: one typed contract. Pure.

The foundation writes each field as an output of its state; the services read it from there. A field that
either side forgets, or spells otherwise, is an error while the stacks are written.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from spider_common import schema
from stacks.environments import Environment

SERVICES: Final = ("oms", "ingest", "dashboard")
"""What has an image of its own."""
GROUPS: Final = ("alb", "frontend", "oms", "machines", "rotation", "redis", "endpoints")
"""The security groups."""
Named = Mapping[str, str]
"""What something is called -> what the foundation has under that name."""


def _says(description: str, example: str, *, keys: Sequence[str] = ()) -> msgspec.Meta:
    """What an output is, and a value like those of AWS, which stands in for it where nothing is deployed.

    `keys` are those of a mapping; without any it has an entry for each zone.
    """
    return msgspec.Meta(description=description, examples=[example], extra_json_schema={"keys": list(keys)})


_ARN: Final = "arn:aws:{}:us-east-1:123456789012:{}"
_TABLES: Final = tuple(shape.name for shape in schema.TABLES)
_QUEUES: Final = tuple(shape.name.removesuffix(".fifo") for shape in schema.QUEUES)
_Subnets = Annotated[Named, _says("the subnet of this kind in each zone", "subnet-0123456789abcdef0")]


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs of a foundation that its services are built on."""

    account_id: Annotated[str, _says("the AWS account, twelve digits", "123456789012")]
    vpc_id: Annotated[str, _says("the network", "vpc-0123456789abcdef0")]
    egress_addresses: Annotated[Named, _says("what venues are told", "192.0.2.1")]
    nat_gateways: Annotated[Named, _says("by which each zone leaves", "nat-0123456789abcdef0")]
    public_subnets: _Subnets
    oms_subnets: _Subnets
    frontend_subnets: _Subnets
    security_groups: Annotated[Named, _says("by name", "sg-0123456789abcdef0", keys=GROUPS)]
    redis_address: Annotated[str, _says("of the shared cache, port 6379, TLS", "redis.example.com")]
    table_arns: Annotated[Named, _says("by name", _ARN.format("dynamodb", "table/any"), keys=_TABLES)]
    queue_arns: Annotated[Named, _says("by name, less its ending", _ARN.format("sqs", "any"), keys=_QUEUES)]
    stores_key_arn: Annotated[
        str, _says("encrypts tables, queues, cache, secrets and backups", _ARN.format("kms", "key/any"))
    ]
    logs_key_arn: Annotated[str, _says("encrypts log groups", _ARN.format("kms", "key/any"))]
    redis_credential_arn: Annotated[
        str, _says("the secret with the cache's password", _ARN.format("secretsmanager", "secret:any"))
    ]
    user_pool_id: Annotated[str, _says("who may use the dashboard", "us-east-1_Example01")]
    user_pool_client_id: Annotated[str, _says("by which the dashboard asks", "0123456789example")]
    access_logs_bucket: Annotated[str, _says("where the load balancer writes who asked", "access-logs")]
    repository_urls: Annotated[
        Named,
        _says(
            "where images are pushed to, by service",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/any",
            keys=SERVICES,
        ),
    ]


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the contract.

    Attributes:
        keys: what a mapping has an entry for; none for a text.
    """

    name: str
    says: str
    example: str
    keys: tuple[str, ...]


def outputs(environment: Environment) -> tuple[Output, ...]:
    """The fields of the contract, as they are in one environment."""
    info = msgspec.inspect.type_info(Handover)
    assert isinstance(info, msgspec.inspect.StructType)
    return tuple(_output(each, environment) for each in info.fields)


def _output(field: msgspec.inspect.Field, environment: Environment) -> Output:
    assert isinstance(field.type, msgspec.inspect.Metadata)
    said = field.type.extra_json_schema or {}
    is_mapping = isinstance(field.type.type, msgspec.inspect.DictType)
    return Output(
        name=field.name,
        says=said["description"],
        example=said["examples"][0],
        keys=tuple(said["keys"] or environment.zones) if is_mapping else (),
    )


def stand_in(environment: Environment) -> bytes:
    """A state of Terraform that holds an example of every output.

    With it in the place of a foundation's state the services can be planned though nothing is deployed.
    """
    values: dict[str, Any] = {
        each.name: (
            {"value": dict.fromkeys(each.keys, each.example), "type": ["map", "string"]}
            if each.keys
            else {"value": each.example, "type": "string"}
        )
        for each in outputs(environment)
    }
    state = {"version": 4, "serial": 1, "lineage": "stand-in", "outputs": values, "resources": []}
    return msgspec.json.encode(state)
