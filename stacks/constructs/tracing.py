"""Which requests X-Ray keeps traces of, and the views on those that matter."""

from typing import Final

from cdktf_cdktf_provider_aws.xray_group import XrayGroup, XrayGroupInsightsConfiguration
from cdktf_cdktf_provider_aws.xray_sampling_rule import XraySamplingRule
from constructs import Construct

from stacks.environments import Environment

_ANY: Final = "*"
SLOW_S: Final = 1
"""A copy that takes longer is looked at."""

_RULES: Final = (
    # service, priority, traces a second that are kept whatever their number, share of the others
    ("oms", 100, 5, 0.05),
    ("ingest", 110, 1, 0.01),
    ("dashboard", 120, 1, 0.05),
)
"""For what asks X-Ray before a trace begins. What went wrong is kept by the collector, which decides when a
trace has ended; these only say how much of what went right is kept beside it."""


class Tracing(Construct):
    """Sampling rules and groups. A service is named in its traces as `environment.named` names it."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        for service, priority, reservoir, share in _RULES:
            XraySamplingRule(
                self,
                service,
                rule_name=environment.named(service),
                priority=priority,
                reservoir_size=reservoir,
                fixed_rate=share,
                service_name=environment.named(service),
                service_type=_ANY,
                host=_ANY,
                http_method=_ANY,
                url_path=_ANY,
                resource_arn=_ANY,
                version=1,
            )
        ours = " OR ".join(f'service("{environment.named(service)}")' for service, *_ in _RULES)
        for view, shows in (
            ("failed", "(error = true OR fault = true)"),
            ("slow", f"responsetime > {SLOW_S}"),
        ):
            XrayGroup(
                self,
                view,
                group_name=environment.named(view),
                filter_expression=f"({ours}) AND {shows}",
                insights_configuration=XrayGroupInsightsConfiguration(
                    insights_enabled=view == "failed", notifications_enabled=False
                ),
            )
