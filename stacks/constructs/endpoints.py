"""Ways to AWS that do not leave the network."""

from typing import Final

from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from stacks.constructs.network import OMS, Network
from stacks.environments import Environment

GATEWAYS: Final = ("dynamodb", "s3")
INTERFACES: Final = (
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "kms",
    "logs",
    "secretsmanager",
    "sqs",
    "xray",
)


class Endpoints(Construct):
    """Gateway endpoints everywhere, for they cost nothing; interface endpoints as the table says."""

    def __init__(
        self, scope: Construct, name: str, *, environment: Environment, network: Network, group: str
    ) -> None:
        super().__init__(scope, name)
        for service in GATEWAYS:
            VpcEndpoint(
                self,
                service,
                vpc_id=network.vpc_id,
                service_name=f"com.amazonaws.{environment.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=network.private_route_tables,
                tags={"Name": environment.named(service)},
            )
        if not environment.endpoint_zones:
            return
        for service in INTERFACES:
            VpcEndpoint(
                self,
                service.replace(".", "-"),
                vpc_id=network.vpc_id,
                service_name=f"com.amazonaws.{environment.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=network.subnets[OMS][: environment.endpoint_zones],
                security_group_ids=[group],
                tags={"Name": environment.named(service)},
            )
