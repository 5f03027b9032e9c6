"""Alarms, whom they tell, and one dashboard for each service."""

from collections.abc import Mapping, Sequence
from typing import Final

from cdktf_cdktf_provider_aws.cloudwatch_dashboard import CloudwatchDashboard
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import (
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
)
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from stacks.alarms import BAND, ROLLBACK, Alarm, Running, alarms
from stacks.constructs.keys import Key
from stacks.dashboards import body
from stacks.environments import Environment
from stacks.policies import allow, deny, document

_VALUE: Final = "value"
"""The id of the expression that an alarm compares with its threshold."""


class Alerts(Construct):
    """A topic that alarms of this account publish to, and the people who read it.

    Attributes:
        topic: the ARN.
    """

    def __init__(self, scope: Construct, name: str, *, environment: Environment, account: str) -> None:
        super().__init__(scope, name)
        cloudwatch = {"Service": "cloudwatch.amazonaws.com"}
        arn = f"arn:aws:cloudwatch:{environment.region}:{account}:alarm:*"
        ours = {"ArnLike": {"aws:SourceArn": arn}, "StringEquals": {"aws:SourceAccount": account}}
        encrypts = allow("kms:Decrypt", "kms:GenerateDataKey", on=["*"], to=cloudwatch, when=ours)
        key = Key(
            self,
            "alerts-key",
            environment=environment,
            account=account,
            purpose="what alarms tell",
            services=(encrypts,),
        )
        topic = SnsTopic(
            self,
            "topic",
            name=environment.named(name),
            display_name=f"OMS Spider {environment.name}",
            kms_master_key_id=key.arn,
        )
        in_clear = {"Bool": {"aws:SecureTransport": "false"}}
        SnsTopicPolicy(
            self,
            "policy",
            arn=topic.arn,
            policy=document(
                allow("sns:Publish", on=[topic.arn], to=cloudwatch, when=ours),
                deny("sns:Publish", on=[topic.arn], sid="DenyInClear", to={"AWS": "*"}, when=in_clear),
            ),
        )
        for number, address in enumerate(environment.alarm_emails):
            # Who is named confirms once, from the mail that AWS sends; nothing is delivered before.
            SnsTopicSubscription(
                self, f"mail-{number}", topic_arn=topic.arn, protocol="email", endpoint=address
            )
        self.topic: str = topic.arn


class Alarms(Construct):
    """Every alarm of `stacks.alarms`, told to one topic, and the services' dashboards.

    Args:
        services: our name -> what runs of it.
        nat_gateways: way out of the network -> the id of its gateway.
        balancer: the load balancer, as CloudWatch calls it: the end of its ARN.

    Attributes:
        rollback: service -> the alarms that take a release of it back, by name.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        services: Mapping[str, Sequence[Running]],
        nat_gateways: Mapping[str, str],
        balancer: str,
    ) -> None:
        super().__init__(scope, name)
        self._environment = environment
        topic = Alerts(self, "alerts", environment=environment, account=account).topic
        made = alarms(environment, services=services, nat_gateways=nat_gateways, balancer=balancer)
        deployed = {each.name: self._alarm(each, topic) for each in made}
        arns = [each.arn for each in deployed.values()]
        # as references, so that who watches them is made after them
        self.rollback: dict[str, list[str]] = {
            service: [deployed[each].alarm_name for each in wanted] for service, wanted in ROLLBACK.items()
        }
        for service in services:
            CloudwatchDashboard(
                self,
                f"{service}-dashboard",
                dashboard_name=environment.named(service),
                dashboard_body=body(
                    environment,
                    service,
                    alarm_arns=arns,
                    services=services,
                    nat_gateways=nat_gateways,
                    balancer=balancer,
                ),
            )

    def _alarm(self, alarm: Alarm, topic: str) -> CloudwatchMetricAlarm:
        banded = alarm.comparison == "GreaterThanUpperThreshold"
        return CloudwatchMetricAlarm(
            self,
            alarm.name,
            alarm_name=self._environment.named(alarm.name),
            alarm_description=alarm.description,
            comparison_operator=alarm.comparison,
            threshold=None if banded else alarm.threshold,
            threshold_metric_id=BAND if banded else None,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.breaching,
            treat_missing_data=alarm.missing,
            metric_query=_queries(alarm, banded=banded),
            alarm_actions=[topic],
            ok_actions=[topic],
        )


def _queries(alarm: Alarm, *, banded: bool) -> list[CloudwatchMetricAlarmMetricQuery]:
    queries = [
        CloudwatchMetricAlarmMetricQuery(
            id=name,
            # of several series the expression is what counts; a band is beside the series that is compared
            return_data=banded or not alarm.math,
            metric=CloudwatchMetricAlarmMetricQueryMetric(
                namespace=read.namespace,
                metric_name=read.metric.name,
                dimensions=dict(read.where),
                stat=read.statistic,
                period=alarm.period_s,
            ),
        )
        for name, read in alarm.reads.items()
    ]
    if alarm.math:
        queries.append(
            CloudwatchMetricAlarmMetricQuery(
                id=BAND if banded else _VALUE,
                expression=alarm.math,
                label=alarm.name,
                return_data=True,
            )
        )
    return queries
