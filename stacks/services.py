"""The services stack of an environment: what changes with every release."""

from collections.abc import Mapping
from typing import Final

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from spider_common.settings import CommonSettings, write
from spider_common.telemetry.health import is_serving
from stacks import tasks
from stacks.backends import keep_state, state_of
from stacks.constructs.alarms import Alarms
from stacks.constructs.balancer import Balancer
from stacks.constructs.doors import DASHBOARD as DASHBOARD_PORT
from stacks.constructs.firewall import Firewall
from stacks.constructs.machines import Cluster
from stacks.constructs.outputs import take_over
from stacks.constructs.provider import use_aws
from stacks.constructs.releases import BlueGreen, release
from stacks.constructs.roles import TaskRoles
from stacks.constructs.rotation import Rotation
from stacks.constructs.scaling import Scaling
from stacks.constructs.tasks import Logs, Place, RollingService, SwitchedService, TaskDefinition
from stacks.constructs.tracing import Tracing
from stacks.constructs.variables import variable
from stacks.containers import HEALTH_PATH, HEARTBEAT, answers, definitions
from stacks.containers import Logs as Stream
from stacks.environments import Environment, Tasks, WayOut
from stacks.foundation import FOUNDATION
from stacks.guard import guard
from stacks.handover import Handover
from stacks.permissions import Resources, Service

SERVICES: Final = "services"
_IMAGE: Final = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"


class Services(TerraformStack):
    """Everything of one environment that stands on its foundation and can be made anew at any time.

    Variables: `domain`, under which the dashboard is found; `machine_image`, the SSM parameter that names
    what machines start with.
    """

    def __init__(self, scope: Construct, *, environment: Environment, variables: Mapping[str, str]) -> None:
        name = f"{SERVICES}-{environment.name}"
        super().__init__(scope, name)
        guard(self, environment)
        keep_state(self, name, variables)
        self._environment = environment
        state = state_of(self, f"{FOUNDATION}-{environment.name}", variables)
        self._handed: Handover = take_over(state, environment=environment)
        use_aws(self, environment=environment, account=self._handed.account_id, stack=SERVICES)
        self._clusters()
        self._door()
        self._alarms = Alarms(
            self,
            "alarms",
            environment=environment,
            account=self._handed.account_id,
            services=tasks.running(environment),
            nat_gateways={way.name: self._handed.nat_gateways[way.zones[0]] for way in environment.ways_out},
            balancer=self._balancer.metric_name,
        )
        Tracing(self, "tracing", environment=environment)
        self._rotation()
        self._copying()
        self._dashboard()

    def _clusters(self) -> None:
        environment, handed = self._environment, self._handed
        image = variable(
            self,
            "machine_image",
            says="the SSM parameter that names an ECS-optimised image",
            condition='startswith(var.machine_image, "/")',
            default=_IMAGE,
        )
        self._shells = Logs(self, "shells", environment=environment, key=handed.logs_key_arn).group
        by_way = {way.name: [handed.oms_subnets[zone] for zone in way.zones] for way in environment.ways_out}
        self._oms, self._frontend = (
            Cluster(
                self,
                name,
                environment=environment,
                size=size,
                parts=parts,
                group=handed.security_groups["machines"],
                image=image,
                logs_key=handed.logs_key_arn,
                shells=self._shells,
            )
            for name, size, parts in (
                ("oms", environment.oms, by_way),
                ("frontend", environment.frontend, {"all": list(handed.frontend_subnets.values())}),
            )
        )

    def _rotation(self) -> None:
        environment, handed = self._environment, self._handed
        Rotation(
            self,
            "rotation",
            environment=environment,
            account=handed.account_id,
            secret=handed.redis_credential_arn,
            redis_address=handed.redis_address,
            subnets=list(handed.oms_subnets.values()),
            group=handed.security_groups["rotation"],
            key=handed.stores_key_arn,
            logs_key=handed.logs_key_arn,
        )

    def _copying(self) -> None:
        """Order service and ingest: one ECS service of each for every way out, which knows its address."""
        environment, handed = self._environment, self._handed
        sizes: dict[Service, Tasks] = {"oms": environment.oms_tasks, "ingest": environment.ingest_tasks}
        settings = {"oms": tasks.oms, "ingest": tasks.ingest}
        for service, size in sizes.items():
            logs = Logs(self, service, environment=environment, key=handed.logs_key_arn).group
            roles = self._roles(service, logs)
            for way in environment.ways_out:
                definition = self._definition(
                    service, way, size, settings[service](environment, handed, way), logs, roles
                )
                self._rolling(service, way, size, definition)

    def _definition(
        self, service: str, way: WayOut, size: Tasks, settings: CommonSettings, logs: str, roles: TaskRoles
    ) -> TaskDefinition:
        containers = definitions(
            environment=self._environment,
            service=service,
            tasks=size,
            image=self._image(service),
            variables=write(settings),
            healthy=is_serving(HEARTBEAT),
            drain_s=tasks.drain_s(settings),
            logs=Stream(group=logs, stream=way.name),
        )
        return TaskDefinition(
            self,
            f"{service}-{way.name}",
            environment=self._environment,
            containers=containers,
            tasks=size,
            roles=roles,
        )

    def _rolling(self, service: str, way: WayOut, size: Tasks, definition: TaskDefinition) -> None:
        environment, name = self._environment, f"{service}-{way.name}"
        ways = len(environment.ways_out)
        rolling = RollingService(
            self,
            name,
            environment=environment,
            place=Place(
                cluster=self._oms.arn,
                provider=self._oms.providers[way.name],
                subnets=[self._handed.oms_subnets[zone] for zone in way.zones],
                group=self._handed.security_groups["oms"],
                ready=self._oms.ready,
            ),
            definition=definition.arn,
            first=size.least // ways,
            alarms=self._alarms.rollback[service],
        )
        if size.most > size.least:
            scaling = Scaling(
                self,
                name,
                cluster=self._oms.name,
                service=rolling.name,
                least=size.least // ways,
                most=size.most // ways,
                after=rolling.ready,
            )
            scaling.by_backlog(reads=tasks.backlog(environment), backlog_each=tasks.backlog_each(environment))

    def _door(self) -> None:
        environment, handed = self._environment, self._handed
        domain = variable(
            self,
            "domain",
            says="the name under which the dashboard is found, as in spider.example.com",
            condition='can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.domain))',
        )
        self._balancer = balancer = Balancer(
            self,
            "balancer",
            environment=environment,
            domain=domain,
            vpc=handed.vpc_id,
            subnets=list(handed.public_subnets.values()),
            group=handed.security_groups["alb"],
            port=DASHBOARD_PORT,
            health_path=HEALTH_PATH,
            logs=handed.access_logs_bucket,
        )
        Firewall(self, "firewall", environment=environment, balancer=balancer.arn, key=handed.logs_key_arn)
        self._output("dashboard_address", balancer.address, "what the domain's record points to")
        self._output("certificate_records", balancer.records, "what proves that the domain is ours")

    def _dashboard(self) -> None:
        environment, handed, balancer = self._environment, self._handed, self._balancer
        service: Service = "dashboard"
        size = environment.dashboard_tasks
        logs = Logs(self, service, environment=environment, key=handed.logs_key_arn).group
        definition = TaskDefinition(
            self,
            service,
            environment=environment,
            containers=definitions(
                environment=environment,
                service=service,
                tasks=size,
                image=self._image(service),
                variables={},
                healthy=answers(DASHBOARD_PORT),
                drain_s=20,
                logs=Stream(group=logs, stream="all"),
                port=DASHBOARD_PORT,
            ),
            tasks=size,
            roles=self._roles(service, logs),
        )
        (provider,) = self._frontend.providers.values()
        switched = SwitchedService(
            self,
            service,
            environment=environment,
            place=Place(
                cluster=self._frontend.arn,
                provider=provider,
                subnets=list(handed.frontend_subnets.values()),
                group=handed.security_groups["frontend"],
                ready=self._frontend.ready,
            ),
            definition=definition.arn,
            first=size.least,
            port=DASHBOARD_PORT,
            target_group=balancer.target_groups["blue"][1],
            listener=balancer.ready,
        )
        if size.most > size.least:
            Scaling(
                self,
                service,
                cluster=self._frontend.name,
                service=switched.name,
                least=size.least,
                most=size.most,
                after=switched.ready,
            )
        BlueGreen(
            self,
            service,
            environment=environment,
            account=handed.account_id,
            cluster=self._frontend.name,
            service=switched.name,
            listener=balancer.listener,
            target_groups=balancer.target_groups,
            alarms=self._alarms.rollback[service],
        )
        self._output(
            "dashboard_release",
            release(definition=definition.arn, container=service, port=DASHBOARD_PORT, provider=provider),
            "the AppSpec by which CodeDeploy replaces the dashboard",
        )

    def _image(self, service: str) -> str:
        return f"{self._handed.repository_urls[service]}:{self._environment.image_tag}"

    def _roles(self, service: Service, logs: str) -> TaskRoles:
        environment, handed = self._environment, self._handed
        ours = f"{environment.region}:{handed.account_id}"
        resources = Resources(
            tables=handed.table_arns,
            queues=handed.queue_arns,
            stores_key=handed.stores_key_arn,
            redis_credential=handed.redis_credential_arn,
            user_pool=f"arn:aws:cognito-idp:{ours}:userpool/{handed.user_pool_id}",
            logs=f"arn:aws:logs:{ours}:log-group:{logs}",
            shells=f"arn:aws:logs:{ours}:log-group:{self._shells}",
            logs_key=handed.logs_key_arn,
            images=f"arn:aws:ecr:{ours}:repository/{environment.named(service)}",
        )
        return TaskRoles(
            self,
            f"{service}-roles",
            environment=environment,
            account=handed.account_id,
            service=service,
            resources=resources,
        )

    def _output(self, name: str, value: str, says: str) -> None:
        TerraformOutput(self, name, value=value, description=says, static_id=True)
