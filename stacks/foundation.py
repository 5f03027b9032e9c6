"""The foundation stack of an environment: what keeps state, and changes rarely."""

from collections.abc import Mapping
from typing import Final

from cdktf import TerraformStack
from constructs import Construct

from spider_common import schema
from stacks.backends import keep_state
from stacks.constructs.audit import Trail, trail_arn
from stacks.constructs.backups import Backups
from stacks.constructs.buckets import AccessLogs
from stacks.constructs.cache import Cache
from stacks.constructs.doors import Acls, Doors
from stacks.constructs.endpoints import Endpoints
from stacks.constructs.identity import Users
from stacks.constructs.images import Images
from stacks.constructs.keys import Key
from stacks.constructs.logs import WrittenByAws, log_flows
from stacks.constructs.network import FRONTEND, OMS, PUBLIC, Network, by_zone
from stacks.constructs.outputs import hand_over
from stacks.constructs.provider import use_aws
from stacks.constructs.secret import Secret
from stacks.constructs.stores import Queue, Table
from stacks.constructs.variables import variable
from stacks.environments import Environment
from stacks.guard import guard
from stacks.handover import SERVICES, Handover
from stacks.policies import allow

FOUNDATION: Final = "foundation"


class Foundation(TerraformStack):
    """Network, keys, tables, queues, cache, backups, users and audit of one environment.

    Variables: `account_id`, the account it is for.
    """

    def __init__(self, scope: Construct, *, environment: Environment, variables: Mapping[str, str]) -> None:
        name = f"{FOUNDATION}-{environment.name}"
        super().__init__(scope, name)
        guard(self, environment)
        keep_state(self, name, variables)
        self._environment = environment
        self._account = variable(
            self,
            "account_id",
            says="the AWS account, twelve digits",
            condition='can(regex("^[0-9]{12}$", var.account_id))',
        )
        use_aws(self, environment=environment, account=self._account, stack=FOUNDATION)
        self._keys()
        self._network()
        self._stores()
        self._identity()
        self._images()
        self._audit()
        hand_over(self, self._handover(), environment=environment)

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

    def _stores(self) -> None:
        environment, key = self._environment, self._stores_key
        tables = {
            shape.name: Table(self, f"table-{shape.name}", environment=environment, shape=shape, key=key)
            for shape in schema.TABLES
        }
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
        self._table_arns = {name: table.arn for name, table in tables.items()}
        self._queue_arns = {name.removesuffix(".fifo"): queue.arn for name, queue in queues.items()}
        self._cache = Cache(
            self,
            "cache",
            environment=environment,
            subnets=self._net.subnets[OMS],
            group=self._doors.ids["redis"],
            key=key,
        )
        Backups(
            self,
            "backups",
            environment=environment,
            account=self._account,
            stores=list(self._table_arns.values()),
            key=key,
        )

    def _identity(self) -> None:
        self._users = Users(self, "users", environment=self._environment)
        self._redis_credential = Secret(
            self,
            "redis",
            environment=self._environment,
            holds="the password of the cache's user `services`",
            key=self._stores_key,
        )

    def _images(self) -> None:
        self._repositories = {
            service: Images(
                self,
                f"images-{service}",
                environment=self._environment,
                of=service,
                key=self._stores_key,
            )
            for service in SERVICES
        }

    def _audit(self) -> None:
        self._access_logs = AccessLogs(
            self, "access-logs", environment=self._environment, account=self._account
        )
        Trail(
            self,
            "trail",
            environment=self._environment,
            account=self._account,
            key=self._audit_key,
            logs=self._log("audit-trail", "cloudtrail.amazonaws.com"),
        )

    def _handover(self) -> Handover:
        environment, subnets = self._environment, self._net.subnets
        return Handover(
            account_id=self._account,
            vpc_id=self._net.vpc_id,
            egress_addresses=by_zone(environment, self._net.addresses),
            public_subnets=by_zone(environment, subnets[PUBLIC]),
            oms_subnets=by_zone(environment, subnets[OMS]),
            frontend_subnets=by_zone(environment, subnets[FRONTEND]),
            security_groups=self._doors.ids,
            nat_gateways=self._net.ways_out,
            redis_address=self._cache.address,
            table_arns=self._table_arns,
            queue_arns=self._queue_arns,
            stores_key_arn=self._stores_key,
            logs_key_arn=self._logs_key,
            redis_credential_arn=self._redis_credential.arn,
            user_pool_id=self._users.pool,
            user_pool_client_id=self._users.client,
            access_logs_bucket=self._access_logs.bucket,
            repository_urls={service: each.url for service, each in self._repositories.items()},
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
