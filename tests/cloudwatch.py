"""How CloudWatch reads metrics from lines and evaluates alarms over them, as far as our alarms need it.

A model, pure: lines and times in, states out. It leaves out the time that AWS takes to read lines, and the
training of anomaly detection, in whose place a band is the mean and deviation of what came before.
"""

import ast
import json
import math
import operator
import statistics
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from stacks.alarms import Alarm, Read

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Where = frozenset[tuple[str, str]]
_EXTRA: Final = 2
"""How many periods beyond those evaluated CloudWatch looks back for values: five for an alarm on three."""


class Sample(NamedTuple):
    """Some values that were told at once: so many of each; least, most and sum as told."""

    at: float
    values: tuple[tuple[float, float], ...]
    least: float
    most: float
    total: float

    @classmethod
    def single(cls, at: float, value: float) -> "Sample":
        return cls(at, ((value, 1),), value, value, value)


class Metrics:
    """Every series that was told of: namespace, name and dimensions -> samples."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, Where], list[Sample]] = {}

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> "Metrics":
        """What CloudWatch makes of lines of the log; those without metrics are none of its business.

        Raises:
            ValueError: a line breaks the Embedded Metric Format, so that AWS would drop it.
        """
        found = cls()
        for line in lines:
            root = json.loads(line)
            if "_aws" in root:
                found.read(root)
        return found

    def read(self, root: Mapping[str, Any]) -> None:
        at = root["_aws"]["Timestamp"] / 1_000
        for directive in root["_aws"]["CloudWatchMetrics"]:
            if len(directive["Metrics"]) > 100:
                raise ValueError("a directive names more than 100 metrics")
            for dimensions in directive["Dimensions"]:
                if not all(isinstance(root.get(each), str) and root[each] for each in dimensions):
                    raise ValueError(f"{dimensions}: a dimension is no text at the root")
                where = frozenset((each, root[each]) for each in dimensions)
                for metric in directive["Metrics"]:
                    sample = _sample(at, root[metric["Name"]])
                    self.put(directive["Namespace"], metric["Name"], where, sample)

    def put(self, namespace: str, name: str, where: Where, sample: Sample) -> None:
        insort(self.series.setdefault((namespace, name, where), []), sample, key=_time)

    def tell(self, read: Read, at: float, value: float) -> None:
        """One value of a series, as AWS's own metrics are told."""
        self.put(read.namespace, read.metric.name, frozenset(read.where.items()), Sample.single(at, value))

    def value(self, read: Read, begin: float, end: float) -> float | None:
        """A series summed up over [begin, end), by the statistic that is read; None: nothing was told."""
        key = (read.namespace, read.metric.name, frozenset(read.where.items()))
        series = self.series.get(key, [])
        told = series[bisect_left(series, begin, key=_time) : bisect_left(series, end, key=_time)]
        return summed_up(told, read.statistic) if told else None


def _time(sample: Sample) -> float:
    return sample.at


def _sample(at: float, told: Any) -> Sample:
    if isinstance(told, int | float):
        return Sample.single(at, told)
    if not 0 < len(told["Values"]) == len(told["Counts"]) <= 100:
        raise ValueError("a metric has up to 100 values, and as many counts")
    pairs = tuple(zip(told["Values"], told["Counts"], strict=True))
    return Sample(at, pairs, told["Min"], told["Max"], told["Sum"])


def summed_up(told: Sequence[Sample], statistic: str) -> float:
    """What one period comes to."""
    pairs = sorted(pair for each in told for pair in each.values)
    count = sum(times for _, times in pairs)
    match statistic:
        case "Sum":
            return sum(each.total for each in told)
        case "Average":
            return sum(each.total for each in told) / count
        case "Minimum":
            return min(each.least for each in told)
        case "Maximum":
            return max(each.most for each in told)
    wanted, so_far = math.ceil(count * float(statistic.removeprefix("p")) / 100), 0.0
    for value, times in pairs:
        so_far += times
        if so_far >= wanted:
            return value
    raise ValueError(f"{statistic}: not a statistic")


_OPERATORS: Final[Mapping[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}


def calculated(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Metric math on one period's values; None where one that it needs is missing, or zero divides."""

    def of(node: ast.expr) -> float | None:
        match node:
            case ast.Constant(value=int() | float() as value):
                return value
            case ast.Name(id=name):
                return values[name]
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
                decided = of(condition)
                return None if decided is None else of(then if decided else otherwise)
            case (
                ast.BinOp(left=left, op=op, right=right)
                | ast.Compare(left=left, ops=[op], comparators=[right])
            ):
                one, other = of(left), of(right)
                if one is None or other is None or (isinstance(op, ast.Div) and other == 0):
                    return None
                return float(_OPERATORS[type(op)](one, other))
        raise ValueError(f"{ast.unparse(node)}: not known to this model")

    return of(ast.parse(expression, mode="eval").body)


def breaches(alarm: Alarm, metrics: Metrics, end: float) -> bool | None:
    """Whether the period that ends then is beyond the threshold; None: it has no value."""
    begin = end - alarm.period_s
    values = {name: metrics.value(read, begin, end) for name, read in alarm.reads.items()}
    if alarm.comparison == "GreaterThanUpperThreshold":
        ((name, read),) = alarm.reads.items()
        value, threshold = values[name], _upper_edge(alarm, metrics, read, begin)
        return None if value is None or threshold is None else value > threshold
    value = calculated(alarm.math, values) if alarm.math else next(iter(values.values()))
    if value is None:
        return None
    above = alarm.comparison == "GreaterThanThreshold"
    return value > alarm.threshold if above else value < alarm.threshold


def _upper_edge(alarm: Alarm, metrics: Metrics, read: Read, before: float) -> float | None:
    """What is expected at most, from the day before; None while there is too little of it."""
    width = float(alarm.math.rpartition(",")[2].strip(" )"))
    ends = (before - number * alarm.period_s for number in range(86_400 // alarm.period_s))
    past = [value for end in ends if (value := metrics.value(read, end - alarm.period_s, end)) is not None]
    return None if len(past) < 10 else statistics.mean(past) + width * statistics.pstdev(past)


def state(alarm: Alarm, told: Sequence[bool | None], before: State) -> State:
    """An alarm's state by what its last periods came to, the newest last; None is one without a value.

    The newest values count, of somewhat more periods than are evaluated; only when those are too few does it
    matter what the missing are taken for.
    """
    real = [each for each in told[-(alarm.periods + _EXTRA) :] if each is not None][-alarm.periods :]
    missing, over = alarm.periods - len(real), sum(real)
    match alarm.missing:
        case "breaching" if missing:
            return "ALARM" if over + missing >= alarm.breaching else "OK"
        case "missing" | "ignore" if not real:
            return "INSUFFICIENT_DATA" if alarm.missing == "missing" else before
        case "missing" | "ignore" if over == len(real) and 0 < over < alarm.breaching:
            return "ALARM" if alarm.missing == "missing" else before
    return "ALARM" if over >= alarm.breaching else "OK"


def states(alarm: Alarm, metrics: Metrics, begin: float, end: float) -> dict[float, State]:
    """An alarm's state after each minute until `end`; the first when nothing before `begin` bears on it."""
    found: dict[float, State] = {}
    now: State = "INSUFFICIENT_DATA"
    minute = begin + alarm.period_s * alarm.periods
    while minute <= end:
        reach = range(alarm.periods + _EXTRA - 1, -1, -1)
        ends = [minute - number * alarm.period_s for number in reach]
        told = [breaches(alarm, metrics, each) for each in ends if each > begin]
        now = state(alarm, told, now)
        found[minute] = now
        minute += 60
    return found


def changes(found: Mapping[float, State]) -> list[State]:
    """Each state once, in its order."""
    told = list(found.values())
    return [each for place, each in enumerate(told) if place == 0 or told[place - 1] != each]
