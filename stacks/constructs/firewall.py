"""What does not even reach the load balancer's targets."""

from collections.abc import Mapping
from typing import Final

from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.wafv2_web_acl import (
    Wafv2WebAcl,
    Wafv2WebAclDefaultAction,
    Wafv2WebAclDefaultActionAllow,
    Wafv2WebAclRule,
    Wafv2WebAclRuleAction,
    Wafv2WebAclRuleActionBlock,
    Wafv2WebAclRuleOverrideAction,
    Wafv2WebAclRuleOverrideActionNone,
    Wafv2WebAclRuleVisibilityConfig,
    Wafv2WebAclVisibilityConfig,
)
from cdktf_cdktf_provider_aws.wafv2_web_acl_association import Wafv2WebAclAssociation
from cdktf_cdktf_provider_aws.wafv2_web_acl_logging_configuration import (
    Wafv2WebAclLoggingConfiguration,
    Wafv2WebAclLoggingConfigurationRedactedFields,
    Wafv2WebAclLoggingConfigurationRedactedFieldsSingleHeader,
)
from constructs import Construct

from stacks.environments import Environment

GROUPS: Final = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesAnonymousIpList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
)
REQUESTS: Final = 2_000
"""From one address in five minutes: a desk of ten people behind one address makes some hundreds."""


class Firewall(Construct):
    """AWS's managed rules and a limit for each address. What it decides is logged without credentials."""

    def __init__(
        self, scope: Construct, name: str, *, environment: Environment, balancer: str, key: str
    ) -> None:
        super().__init__(scope, name)
        acl = Wafv2WebAcl(
            self,
            "acl",
            name=environment.named(name),
            scope="REGIONAL",
            default_action=Wafv2WebAclDefaultAction(allow=Wafv2WebAclDefaultActionAllow()),
            visibility_config=Wafv2WebAclVisibilityConfig(
                cloudwatch_metrics_enabled=True,
                metric_name=environment.named(name),
                sampled_requests_enabled=True,
            ),
            rule=[_limit(), *(_managed(each, place) for place, each in enumerate(GROUPS, 1))],
        )
        Wafv2WebAclAssociation(self, "guards", resource_arn=balancer, web_acl_arn=acl.arn)
        logs = CloudwatchLogGroup(
            self,
            "logs",
            name=f"aws-waf-logs-{environment.named(name)}",  # WAF writes to names that begin so
            retention_in_days=environment.log_days,
            kms_key_id=key,
        )
        Wafv2WebAclLoggingConfiguration(
            self,
            "logging",
            resource_arn=acl.arn,
            log_destination_configs=[logs.arn],
            redacted_fields=[
                Wafv2WebAclLoggingConfigurationRedactedFields(
                    single_header=Wafv2WebAclLoggingConfigurationRedactedFieldsSingleHeader(name=header)
                )
                for header in ("authorization", "cookie")
            ],
        )


def _limit() -> Wafv2WebAclRule:
    limit = {"limit": REQUESTS, "aggregate_key_type": "IP", "evaluation_window_sec": 300}
    block = Wafv2WebAclRuleAction(block=Wafv2WebAclRuleActionBlock())
    return _rule("limit", 0, {"rate_based_statement": limit}, action=block)


def _managed(group: str, priority: int) -> Wafv2WebAclRule:
    statement = {"managed_rule_group_statement": {"vendor_name": "AWS", "name": group}}
    as_they_say = Wafv2WebAclRuleOverrideAction(none=Wafv2WebAclRuleOverrideActionNone())
    return _rule(group, priority, statement, override_action=as_they_say)


def _rule(name: str, priority: int, statement: Mapping[str, object], **action: object) -> Wafv2WebAclRule:
    # the bindings leave a statement as it is, so it is in Terraform's words
    return Wafv2WebAclRule(
        name=name,
        priority=priority,
        statement=statement,
        visibility_config=Wafv2WebAclRuleVisibilityConfig(
            cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
        ),
        **action,
    )
