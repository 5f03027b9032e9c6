"""How many tasks there are: as many as keep load and backlog at their targets."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_aws.appautoscaling_policy import (
    AppautoscalingPolicy,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfiguration,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecification,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetrics,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricsMetricStat,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricsMetricStatMetric,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricsMetricStatMetricDimensions,
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecification,
)
from cdktf_cdktf_provider_aws.appautoscaling_target import AppautoscalingTarget
from constructs import Construct

from stacks.alarms import Read

# the bindings name each block for the way to it
_Tracking: TypeAlias = AppautoscalingPolicyTargetTrackingScalingPolicyConfiguration
_Predefined: TypeAlias = (
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecification
)
_Customized: TypeAlias = (
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecification
)
_Metrics: TypeAlias = (
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetrics
)
_Stat: TypeAlias = (
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricsMetricStat
)
_Metric: TypeAlias = AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricsMetricStatMetric  # noqa: E501 - the bindings' name
_Dimension: TypeAlias = AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricsMetricStatMetricDimensions  # noqa: E501 - the bindings' name

CPU_PERCENT: Final = 60
MEMORY_PERCENT: Final = 75
BACKLOG_EACH: Final = 25
"""Messages that wait for each task: a second or two of its work."""
_OUT_S: Final = 60
_IN_S: Final = 600  # a task that goes gives its work away: not for every lull


class Scaling(Construct):
    """Keeps a service between `least` and `most` tasks by its load.

    Where several targets ask for different numbers the highest is taken; fewer only if all agree.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        cluster: str,
        service: str,
        least: int,
        most: int,
        after: ITerraformDependable,
    ) -> None:
        """`cluster` and `service` by their names; `after`: the service itself."""
        super().__init__(scope, f"{name}-scaling")
        target = AppautoscalingTarget(
            self,
            "target",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{cluster}/{service}",
            min_capacity=least,
            max_capacity=most,
            depends_on=[after],
        )
        self._target, self._service = target, service
        for measure, percent in (("CPU", CPU_PERCENT), ("Memory", MEMORY_PERCENT)):
            predefined = _Predefined(predefined_metric_type=f"ECSServiceAverage{measure}Utilization")
            self._track(measure.lower(), percent, predefined=predefined)

    def by_backlog(self, *, reads: Mapping[str, Read], backlog_each: str) -> None:
        """Also by what waits for each task: an expression over metrics by their ids."""
        metrics = [
            _Metrics(id=name, return_data=False, label=read.metric.name, metric_stat=_stat(read))
            for name, read in reads.items()
        ]
        metrics.append(
            _Metrics(id="backlog", return_data=True, label="backlog of each task", expression=backlog_each)
        )
        self._track("backlog", BACKLOG_EACH, customized=_Customized(metrics=metrics))

    def _track(
        self,
        name: str,
        value: int,
        *,
        predefined: _Predefined | None = None,
        customized: _Customized | None = None,
    ) -> None:
        target = self._target
        AppautoscalingPolicy(
            self,
            name,
            name=f"{self._service}-{name}",
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration=_Tracking(
                target_value=value,
                scale_out_cooldown=_OUT_S,
                scale_in_cooldown=_IN_S,
                predefined_metric_specification=predefined,
                customized_metric_specification=customized,
            ),
        )


def _stat(read: Read) -> _Stat:
    dimensions = [_Dimension(name=name, value=value) for name, value in read.where.items()]
    metric = _Metric(namespace=read.namespace, metric_name=read.metric.name, dimensions=dimensions)
    stat: _Stat = _Stat(metric=metric, stat=read.statistic)
    return stat
