"""The network: two zones, and exactly two addresses under which venues see all of it."""

from typing import Final

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.default_security_group import DefaultSecurityGroup
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.nat_gateway import NatGateway
from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.subnet import Subnet
from cdktf_cdktf_provider_aws.vpc import Vpc
from constructs import Construct

from stacks.environments import Environment

PUBLIC: Final = "public"
OMS: Final = "oms"
FRONTEND: Final = "frontend"
LAYERS: Final = (PUBLIC, OMS, FRONTEND)
"""The kinds of subnets: each has one in every zone, and its number says where in the network."""


class Network(Construct):
    """A VPC with one subnet of each layer in each zone, and what leaves the private ones.

    Attributes:
        vpc_id: the network.
        subnets: layer -> the ids of its subnets, zone by zone.
        private_route_tables: one for each zone.
        ways_out: zone -> the NAT gateway by which its private subnets leave.
        addresses: the two Elastic IPs.
    """

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        self._environment = environment
        vpc = Vpc(
            self,
            "vpc",
            cidr_block=environment.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": environment.name},
        )
        self.vpc_id: str = vpc.id
        DefaultSecurityGroup(self, "closed", vpc_id=vpc.id)  # no rules: who names no group reaches nothing
        self.subnets = {layer: self._layer(layer) for layer in LAYERS}
        elastic = [self._address(zone) for zone in environment.zones]
        self.addresses: list[str] = [each.public_ip for each in elastic]
        internet = InternetGateway(self, "internet", vpc_id=vpc.id, tags={"Name": environment.name})
        self._public_routes(internet)
        nat = self._nat([each.allocation_id for each in elastic], internet)
        self.ways_out: dict[str, str] = {
            zone: nat[number % len(nat)] for number, zone in enumerate(environment.zones)
        }
        self.private_route_tables = [
            self._private_routes(number, gateway) for number, gateway in enumerate(self.ways_out.values())
        ]

    def _layer(self, layer: str) -> list[str]:
        subnets = []
        for number, zone in enumerate(self._environment.zones):
            subnet = Subnet(
                self,
                f"{layer}-{zone[-1]}",
                vpc_id=self.vpc_id,
                availability_zone=zone,
                cidr_block=self._environment.subnet(len(LAYERS) * number + LAYERS.index(layer)),
                map_public_ip_on_launch=False,
                tags={"Name": self._environment.named(f"{layer}-{zone[-1]}")},
            )
            subnets.append(subnet.id)
        return subnets

    def _address(self, zone: str) -> Eip:
        # Venues and clients' API keys are told these addresses: a new one would cut every account off.
        return Eip(
            self,
            f"address-{zone[-1]}",
            domain="vpc",
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True),
            tags={"Name": self._environment.named(f"egress-{zone[-1]}")},
        )

    def _nat(self, allocations: list[str], internet: InternetGateway) -> list[str]:
        gateways = []
        for number in range(self._environment.nat_gateways):
            zone = self._environment.zones[number]
            gateway = NatGateway(
                self,
                f"nat-{zone[-1]}",
                subnet_id=self.subnets[PUBLIC][number],
                allocation_id=allocations[number],
                secondary_allocation_ids=allocations[1:] if self._environment.nat_gateways == 1 else None,
                depends_on=[internet],
                tags={"Name": self._environment.named(f"nat-{zone[-1]}")},
            )
            gateways.append(gateway.id)
        return gateways

    def _public_routes(self, internet: InternetGateway) -> None:
        table = self._table("public")
        Route(
            self,
            "public-out",
            route_table_id=table,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=internet.id,
        )
        for zone, subnet in zip(self._environment.zones, self.subnets[PUBLIC], strict=True):
            RouteTableAssociation(self, f"public-{zone[-1]}-routes", route_table_id=table, subnet_id=subnet)

    def _private_routes(self, number: int, nat: str) -> str:
        zone = self._environment.zones[number]
        table = self._table(f"private-{zone[-1]}")
        Route(
            self,
            f"private-{zone[-1]}-out",
            route_table_id=table,
            destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=nat,
        )
        for layer in (OMS, FRONTEND):
            subnet = self.subnets[layer][number]
            RouteTableAssociation(self, f"{layer}-{zone[-1]}-routes", route_table_id=table, subnet_id=subnet)
        return table

    def _table(self, name: str) -> str:
        table = RouteTable(
            self, f"{name}-table", vpc_id=self.vpc_id, tags={"Name": self._environment.named(name)}
        )
        table_id: str = table.id
        return table_id


def by_zone(environment: Environment, values: list[str]) -> dict[str, str]:
    """Zone -> what it has of something that every zone has one of."""
    return dict(zip(environment.zones, values, strict=True))
