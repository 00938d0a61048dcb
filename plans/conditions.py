"""Conditions on metrics: `error_rate > 2x control`, `p95(latency) > 800ms`, and the targets they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from plans.grammar import NUMBER, Expression
from plans.problems import shown

METRIC_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,62}"
OPERATOR = r">=|<=|>|<"
UNIT_WORD = r"[A-Za-z]{1,12}(?: per day)?"


class TargetKind(StrEnum):
    """What a metric is held against."""

    SHARE = "share"
    NUMBER = "number"
    RATIO = "ratio"
    DIFFERENCE = "difference"


class Reference(StrEnum):
    """Whom a ratio or a difference compares with."""

    CONTROL = "control"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Target:
    """The right-hand side of a condition.

    A share is 0..1; a ratio is a factor; a difference is signed, in shares with unit `pp`, else in the metric's own
    unit. `accuracy < control` is a difference of 0.
    """

    kind: TargetKind
    value: float
    reference: Reference | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Limit(Expression):
    """A condition without its metric, `> 10%`: what `tune` compares its metric with."""

    op: str
    target: Target
    words: str

    PATTERN: ClassVar[str] = rf"(?P<op>{OPERATOR})\s*(?P<target>\S.*)"
    FORM: ClassVar[str] = "`> 10%` or `< 5%`: one of > >= < <= and a target"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("> 10%", "< 5%")

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read an operator and a target."""
        found = cls._match(text)
        target, words = _target(found["target"])
        return cls(found["op"], target, words)

    @property
    def text(self) -> str:
        """`> 10%`, evenly spaced."""
        return f"{self.op} {self.words}"

    def of(self, metric: str) -> Condition:
        """The condition that this limit means for a metric."""
        return Condition(metric, None, self.op, self.target, f"{metric} {self.text}")


@dataclass(frozen=True, slots=True)
class Condition(Expression):
    """`<metric> <op> <target>`, with `text` as written, evenly spaced.

    `aggregate` is p50, p90, p95, p99, mean or total where the metric is a number, else None.
    """

    metric: str
    aggregate: str | None
    op: str
    target: Target
    text: str

    PATTERN: ClassVar[str] = (
        rf"(?:(?P<aggregate>p50|p90|p95|p99|mean|total) ?\( ?(?P<inner>{METRIC_NAME}) ?\)|(?P<metric>{METRIC_NAME}))"
        rf"\s*(?P<limit>(?:{OPERATOR})\s*\S.*)"
    )
    FORM: ClassVar[str] = "`<metric> <op> <target>`, such as `error_rate > 2x control` or `p95(latency) > 800ms`"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "error_rate > 2x control",
        "accuracy < 85%",
        "adoption < control - 5%",
        "p95(latency) > 800ms",
    )

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read `error_rate > 2x control`, `p95(latency) > 800ms`, `accuracy >= control + 2pp`."""
        found = cls._match(text)
        limit = Limit.parse(found["limit"])
        metric = found["inner"] or found["metric"]
        left = f"{found['aggregate']}({metric})" if found["aggregate"] else metric
        return cls(metric, found["aggregate"], limit.op, limit.target, f"{left} {limit.text}")

    @property
    def worse_is_more(self) -> bool:
        """Whether large values fulfil the condition."""
        return self.op in {">", ">="}


TARGETS = "a share `85%`, a number `800ms`, a ratio `2x control` or `2x baseline`, or a difference `control + 2pp`"
_SHARE = re.compile(rf"(?P<number>{NUMBER}) ?%")
_RATIO = re.compile(rf"(?P<number>{NUMBER}) ?x (?P<reference>control|baseline)")
_DIFFERENCE = re.compile(
    rf"(?P<reference>control|baseline)(?: ?(?P<sign>[+-]) ?(?P<number>{NUMBER}) ?(?P<unit>%|{UNIT_WORD})?)?"
)
_NUMBER = re.compile(rf"(?P<number>-?{NUMBER}) ?(?P<unit>{UNIT_WORD})?")


def _target(written: str) -> tuple[Target, str]:
    text = " ".join(written.split())
    if found := _SHARE.fullmatch(text):
        return Target(TargetKind.SHARE, _hundredth(found["number"])), f"{found['number']}%"
    if found := _RATIO.fullmatch(text):
        reference = Reference(found["reference"])
        return Target(TargetKind.RATIO, float(found["number"]), reference), f"{found['number']}x {reference}"
    if found := _DIFFERENCE.fullmatch(text):
        return _difference(found)
    if (found := _NUMBER.fullmatch(text)) and found["unit"] not in {"x", "pp"}:
        unit = found["unit"]
        apart = " " if unit and " " in unit else ""
        return Target(TargetKind.NUMBER, float(found["number"]), None, unit), f"{found['number']}{apart}{unit or ''}"
    raise ValueError(f"{shown(written)} is no target; write {TARGETS}")


def _difference(found: re.Match[str]) -> tuple[Target, str]:
    reference = Reference(found["reference"])
    if found["number"] is None:
        return Target(TargetKind.DIFFERENCE, 0.0, reference), reference.value
    share = found["unit"] in {"pp", "%"}
    size = _hundredth(found["number"]) if share else float(found["number"])
    signed = -size if found["sign"] == "-" else size
    target = Target(TargetKind.DIFFERENCE, signed, reference, "pp" if share else found["unit"])
    return target, f"{reference} {found['sign']} {found['number']}{found['unit'] or ''}"


def _hundredth(number: str) -> float:
    return float(Decimal(number) / 100)
