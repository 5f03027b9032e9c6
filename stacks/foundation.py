"""The foundation stack of an environment: what keeps state, and changes rarely."""

from collections.abc import Mapping
from typing import Final

from cdktf import (
    TerraformOutput,
    TerraformStack,
    TerraformVariable,
    TerraformVariableValidationConfig,
)
from constructs import Construct

from spider_common import schema
from stacks.backends import keep_state
from stacks.constructs.audit import Trail, trail_arn
from stacks.constructs.backups import Backups
from stacks.constructs.cache import Cache
from stacks.constructs.doors import Acls, Doors
from stacks.constructs.endpoints import Endpoints
from stacks.constructs.identity import Users
from stacks.constructs.keys import Key
from stacks.constructs.logs import WrittenByAws, log_flows
from stacks.constructs.network import OMS, Network, by_zone
from stacks.constructs.provider import use_aws
from stacks.constructs.secret import Secret
from stacks.constructs.stores import Queue, Table
from stacks.environments import Environment
from stacks.guard import guard
from stacks.policies import allow

FOUNDATION: Final = "foundation"


class Foundation(TerraformStack):
    """Network, keys, tables, queues, cache, backups, users and audit of one environment.

    Variables: `account_id`, the account it is for; `redis_first_password`, which the first rotation replaces.
    """

    def __init__(self, scope: Construct, *, environment: Environment, variables: Mapping[str, str]) -> None:
        name = f"{FOUNDATION}-{environment.name}"
        super().__init__(scope, name)
        guard(self, environment)
        keep_state(self, name, variables)
        self._environment = environment
        self._account = self._variable(
            "account_id",
            says="the AWS account, twelve digits",
            condition='can(regex("^[0-9]{12}$", var.account_id))',
        )
        use_aws(self, environment=environment, account=self._account, stack=FOUNDATION)
        self._keys()
        self._network()
        self._stores()
        self._identity()
        self._audit()

    def _keys(self) -> None:
        region, account = self._environment.region, self._account
        logs = allow(
            "kms:Decrypt",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:DescribeKey",
            on=["*"],
            to={"Service": f"logs.{region}.amazonaws.com"},
            when={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:*"}},
        )
        trail = allow(
            "kms:GenerateDataKey",
            "kms:DescribeKey",
            on=["*"],
            to={"Service": "cloudtrail.amazonaws.com"},
            when={"StringEquals": {"aws:SourceArn": trail_arn(self._environment, account=account)}},
        )
        self._stores_key = self._key("stores-key", "tables, queues, cache, secrets and their backups")
        self._logs_key = self._key("logs-key", "log groups", logs)
        self._audit_key = self._key("audit-key", "the audit trail", trail)

    def _network(self) -> None:
        environment = self._environment
        self._net = Network(self, "network", environment=environment)
        self._doors = Doors(self, "doors", environment=environment, network=self._net)
        Acls(self, "acls", environment=environment, network=self._net)
        Endpoints(
            self,
            "endpoints",
            environment=environment,
            network=self._net,
            group=self._doors.ids["endpoints"],
        )
        log_flows(vpc_id=self._net.vpc_id, into=self._log("flows", "vpc-flow-logs.amazonaws.com"))
        self._output("egress_addresses", by_zone(environment, self._net.addresses), "what venues are told")
        self._output("vpc_id", self._net.vpc_id, "the network")
        for layer, subnets in self._net.subnets.items():
            self._output(f"{layer}_subnets", subnets, f"{layer}, zone by zone")
        self._output("security_groups", self._doors.ids, "by name")

    def _stores(self) -> None:
        environment, key = self._environment, self._stores_key
        tables = [
            Table(self, f"table-{shape.name}", environment=environment, shape=shape, key=key)
            for shape in schema.TABLES
        ]
        queues: dict[str, Queue] = {}
        for shape in schema.QUEUES:
            letters = queues[shape.dead_letters].arn if shape.dead_letters is not None else None
            queues[shape.name] = Queue(
                self,
                f"queue-{shape.name.removesuffix('.fifo')}",
                environment=environment,
                shape=shape,
                key=key,
                dead_letters=letters,
            )
        for name, queue in queues.items():
            sources = [queues[shape.name].arn for shape in schema.QUEUES if shape.dead_letters == name]
            if sources:
                queue.take_dead_letters_of(sources)
        cache = Cache(
            self,
            "cache",
            environment=environment,
            subnets=self._net.subnets[OMS],
            group=self._doors.ids["redis"],
            key=key,
            first_password=self._variable(
                "redis_first_password",
                says="at least 16 characters, which the first rotation replaces",
                condition="length(var.redis_first_password) >= 16",
                sensitive=True,
            ),
        )
        Backups(
            self,
            "backups",
            environment=environment,
            account=self._account,
            stores=[table.arn for table in tables],
            key=key,
        )
        self._output("redis_address", cache.address, "of the shared cache, port 6379, TLS")
        self._output("table_arns", [table.arn for table in tables], "for the roles of tasks")
        self._output("queue_arns", [queue.arn for queue in queues.values()], "for the roles of tasks")
        self._output("stores_key_arn", key, "for the roles of tasks")

    def _identity(self) -> None:
        users = Users(self, "users", environment=self._environment)
        credential = Secret(
            self,
            "redis",
            environment=self._environment,
            holds="the password of the cache's user `services`",
            key=self._stores_key,
        )
        self._output("redis_credential_arn", credential.arn, "for the roles of tasks and for its rotation")
        self._output("user_pool_id", users.pool, "who may use the dashboard")
        self._output("user_pool_client_id", users.client, "by which the dashboard asks")

    def _audit(self) -> None:
        Trail(
            self,
            "trail",
            environment=self._environment,
            account=self._account,
            key=self._audit_key,
            logs=self._log("audit-trail", "cloudtrail.amazonaws.com"),
        )

    def _key(self, name: str, purpose: str, *services: Mapping[str, object]) -> str:
        return Key(
            self,
            name,
            environment=self._environment,
            account=self._account,
            purpose=purpose,
            services=services,
        ).arn

    def _log(self, name: str, service: str) -> WrittenByAws:
        return WrittenByAws(
            self,
            name,
            environment=self._environment,
            account=self._account,
            key=self._logs_key,
            service=service,
        )

    def _variable(self, name: str, *, says: str, condition: str, sensitive: bool = False) -> str:
        variable = TerraformVariable(
            self,
            name,
            type="string",
            description=says,
            nullable=False,
            sensitive=sensitive or None,
            validation=[
                TerraformVariableValidationConfig(
                    condition=f"${{{condition}}}", error_message=f"Set {name}: {says}."
                )
            ],
        )
        value: str = variable.string_value
        return value

    def _output(self, name: str, value: object, says: str) -> None:
        TerraformOutput(self, name, value=value, description=says, static_id=True)
