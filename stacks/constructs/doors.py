"""Who may speak to whom: the security groups, and the network ACLs behind them."""

from typing import Final, NamedTuple

from cdktf_cdktf_provider_aws.network_acl import NetworkAcl
from cdktf_cdktf_provider_aws.network_acl_rule import NetworkAclRule
from cdktf_cdktf_provider_aws.security_group import SecurityGroup
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from stacks.constructs.network import FRONTEND, OMS, PUBLIC, Network
from stacks.environments import Environment

WORLD: Final = "0.0.0.0/0"
HTTPS: Final = 443
REDIS: Final = 6379
DASHBOARD: Final = 8000
VENUES: Final = (443, 8443)
"""The ports of venues: OKX's sockets are on 8443."""


class Doors(Construct):
    """The security groups of everything in the network, by name: `ids["oms"]`.

    | from      | to        | port      |
    |-----------|-----------|-----------|
    | the world | alb       | 80, 443   |
    | alb       | frontend  | 8000      |
    | oms, frontend, rotation | redis     | 6379  |
    | oms, frontend, machines, rotation | endpoints | 443   |
    | oms       | the world | 443, 8443 |
    | frontend, machines, rotation | the world | 443       |
    """

    def __init__(self, scope: Construct, name: str, *, environment: Environment, network: Network) -> None:
        super().__init__(scope, name)
        self._environment, self._network = environment, network
        self.ids: dict[str, str] = {
            group: self._group(group, of)
            for group, of in (
                ("alb", "the load balancer"),
                ("frontend", "dashboard and websocket tasks"),
                ("oms", "order and ingest tasks"),
                ("machines", "what tasks run on"),
                ("rotation", "the rotation of the cache's password"),
                ("redis", "the shared cache"),
                ("endpoints", "AWS from within"),
            )
        }
        for port in (80, HTTPS):
            self._from_world("alb", port)
        self._between("alb", "frontend", DASHBOARD)
        for tasks in ("oms", "frontend", "rotation"):
            self._between(tasks, "redis", REDIS)
        for sources in ("oms", "frontend", "machines"):
            self._between(sources, "endpoints", HTTPS)
        for port in VENUES:
            self._to_world("oms", port)
        for sources in ("frontend", "machines", "rotation"):  # ElastiCache's own API has no endpoint here
            self._to_world(sources, HTTPS)

    def _group(self, name: str, of: str) -> str:
        group = SecurityGroup(
            self,
            name,
            name=self._environment.named(name),
            description=f"{self._environment.name}: {of}",
            vpc_id=self._network.vpc_id,
            tags={"Name": self._environment.named(name)},
        )
        group_id: str = group.id
        return group_id

    def _between(self, source: str, target: str, port: int) -> None:
        VpcSecurityGroupEgressRule(
            self,
            f"{source}-to-{target}",
            security_group_id=self.ids[source],
            referenced_security_group_id=self.ids[target],
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=f"to {target}",
        )
        VpcSecurityGroupIngressRule(
            self,
            f"{target}-from-{source}",
            security_group_id=self.ids[target],
            referenced_security_group_id=self.ids[source],
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=f"from {source}",
        )

    def _from_world(self, target: str, port: int) -> None:
        VpcSecurityGroupIngressRule(
            self,
            f"{target}-from-world-{port}",
            security_group_id=self.ids[target],
            cidr_ipv4=WORLD,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description="from the world",
        )

    def _to_world(self, source: str, port: int) -> None:
        VpcSecurityGroupEgressRule(
            self,
            f"{source}-to-world-{port}",
            security_group_id=self.ids[source],
            cidr_ipv4=WORLD,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description="to venues, and to AWS where it has no endpoint here",
        )


class Ports(NamedTuple):
    """What an ACL lets through; `first` to `last` inclusive, TCP."""

    first: int
    last: int
    where: str


def _answers(where: str) -> tuple[Ports, Ports]:
    """The ports above 1023, which answers come back to, for ACLs keep no state. Remote desktop stays shut."""
    return Ports(1024, 3388, where), Ports(3390, 65535, where)


class Acls(Construct):
    """A second wall that no security group can open: an ACL for public subnets, one for private ones.

    The cache, the dashboard and OKX's sockets have ports above 1023.
    """

    def __init__(self, scope: Construct, name: str, *, environment: Environment, network: Network) -> None:
        super().__init__(scope, name)
        within = environment.cidr
        web = (Ports(80, 80, WORLD), Ports(HTTPS, HTTPS, WORLD))
        venues = tuple(Ports(port, port, WORLD) for port in VENUES)
        private = network.subnets[OMS] + network.subnets[FRONTEND]
        for layer, subnets, arriving, leaving in (
            # what leaves a private subnet by NAT passes a public one: in from within, out to the world
            ("public", network.subnets[PUBLIC], (*web, *_answers(WORLD)), (web[1], *_answers(WORLD))),
            (
                "private",
                private,
                (Ports(HTTPS, HTTPS, within), *_answers(WORLD)),
                (*venues, *_answers(within)),
            ),
        ):
            acl = NetworkAcl(
                self,
                layer,
                vpc_id=network.vpc_id,
                subnet_ids=subnets,
                tags={"Name": environment.named(layer)},
            )
            for outward, all_ports in ((False, arriving), (True, leaving)):
                for number, ports in enumerate(all_ports, 1):
                    NetworkAclRule(
                        self,
                        f"{layer}-{'out' if outward else 'in'}-{number}",
                        network_acl_id=acl.id,
                        egress=outward,
                        rule_number=100 * number,
                        rule_action="allow",
                        protocol="tcp",
                        cidr_block=ports.where,
                        from_port=ports.first,
                        to_port=ports.last,
                    )
