"""The only door from outside: a load balancer that speaks HTTPS."""

from collections.abc import Sequence
from typing import Final

from cdktf import Fn, ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.acm_certificate import AcmCertificate
from cdktf_cdktf_provider_aws.acm_certificate_validation import AcmCertificateValidation
from cdktf_cdktf_provider_aws.lb import Lb, LbAccessLogs
from cdktf_cdktf_provider_aws.lb_listener import (
    LbListener,
    LbListenerDefaultAction,
    LbListenerDefaultActionRedirect,
)
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup, LbTargetGroupHealthCheck
from constructs import Construct

from stacks.environments import Environment

TLS: Final = "ELBSecurityPolicy-TLS13-1-3-2021-06"
"""TLS 1.3 and nothing older: every browser of the last five years has it."""
SIDES: Final = ("blue", "green")


class Balancer(Construct):
    """An application load balancer before two target groups, of which one is asked.

    Plain HTTP is answered with a redirect. The certificate is issued once the record that ACM shows for
    `domain` is in its DNS; until then the first apply waits.

    Attributes:
        arn, metric_name, address: of the balancer; `metric_name` as CloudWatch calls it.
        listener: the ARN of the one that speaks HTTPS.
        target_groups: side -> name and ARN.
        ready: after which a service may register its tasks.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        domain: str,
        vpc: str,
        subnets: Sequence[str],
        group: str,
        port: int,
        health_path: str,
        logs: str,
    ) -> None:
        """`logs`: the bucket for access logs."""
        super().__init__(scope, name)
        balancer = Lb(
            self,
            "balancer",
            name=environment.named(name),
            load_balancer_type="application",
            internal=False,
            subnets=list(subnets),
            security_groups=[group],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            enable_deletion_protection=environment.protected,
            idle_timeout=120,  # a live feed says something every few seconds
            access_logs=LbAccessLogs(bucket=logs, enabled=True),
        )
        certificate = AcmCertificate(
            self,
            "certificate",
            domain_name=domain,
            validation_method="DNS",
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )
        issued = AcmCertificateValidation(self, "issued", certificate_arn=certificate.arn)
        groups = {side: self._targets(side, environment, vpc, port, health_path) for side in SIDES}
        LbListener(
            self,
            "http",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_action=[
                LbListenerDefaultAction(
                    type="redirect",
                    redirect=LbListenerDefaultActionRedirect(
                        port="443", protocol="HTTPS", status_code="HTTP_301"
                    ),
                )
            ],
        )
        listener = LbListener(
            self,
            "https",
            load_balancer_arn=balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS,
            certificate_arn=issued.certificate_arn,
            default_action=[LbListenerDefaultAction(type="forward", target_group_arn=groups[SIDES[0]].arn)],
            # which side is asked is CodeDeploy's to say
            lifecycle=TerraformResourceLifecycle(ignore_changes=["default_action"]),
        )
        self.arn: str = balancer.arn
        self.metric_name: str = balancer.arn_suffix
        self.address: str = balancer.dns_name
        self.listener: str = listener.arn
        self.target_groups: dict[str, tuple[str, str]] = {
            side: (each.name, each.arn) for side, each in groups.items()
        }
        self.records: str = Fn.jsonencode(certificate.domain_validation_options)
        self.ready: ITerraformDependable = listener

    def _targets(
        self, side: str, environment: Environment, vpc: str, port: int, health_path: str
    ) -> LbTargetGroup:
        return LbTargetGroup(
            self,
            side,
            name=environment.named(side),
            vpc_id=vpc,
            port=port,
            protocol="HTTP",
            target_type="ip",
            deregistration_delay="30",
            health_check=LbTargetGroupHealthCheck(
                path=health_path,
                matcher="200",
                interval=10,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=3,
            ),
        )
