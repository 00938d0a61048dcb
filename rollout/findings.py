"""One finding in words: its numbers against its rule, what it is for, and what its verdict means."""

from __future__ import annotations

import re

from plans.expressions import Condition, Duration, TargetKind
from plans.schema import Plan
from rollout.model import Finding, Role, Verdict


def headline(finding: Finding) -> str:
    """A finding in one breath: `error_rate 6.3x control > 2x`, or the criterion where nothing was seen."""
    condition = Condition.parse(finding.criterion)
    if finding.seen is None:
        return finding.criterion
    target = condition.target
    match target.kind:
        case TargetKind.RATIO:
            return f"{condition.metric} {finding.seen:.1f}x {target.reference} {condition.op} {target.value:g}x"
        case TargetKind.SHARE:
            seen, limit = 100 * finding.seen, 100 * target.value
            return f"{condition.metric} {seen:.1f} % {condition.op} {limit:g} %"
        case TargetKind.DIFFERENCE if target.unit == "pp" or (condition.aggregate is None and target.unit is None):
            return f"{condition.metric} {100 * finding.seen:+.1f}pp: {finding.criterion}"
        case _:
            return f"{condition.metric} {finding.seen:.4g}: {finding.criterion}"


def silence(plan: Plan, finding: Finding) -> str:
    """What is missing where a criterion has no data for the plan's patience: `no data from prom for 1 h`."""
    criterion = next((one for one in plan.stop.criteria if one.text == finding.criterion), None)
    patience = (criterion and criterion.no_data_after) or plan.stop.no_data_after
    source = plan.metrics[Condition.parse(finding.criterion).metric].source
    return f"no data from {source} for {spoken(patience)}"


def spoken(duration: Duration) -> str:
    """A duration as people write it: `1 h`, `1 d 12 h`, `30 min`."""
    parts = re.findall(r"([0-9]+)([a-z])", duration.text)
    return " ".join(f"{count} {'min' if unit == 'm' else unit}" for count, unit in parts)


def purpose(finding: Finding) -> str:
    """What follows from a finding: the criterion's `then`, or the branch of the tree or the test."""
    return str(finding.then) if finding.role is Role.STOP else str(finding.role).replace("_", " ")


def labelled(finding: Finding) -> str:
    """A finding's condition, with the branch it is for where it is no stopping criterion."""
    return finding.criterion if finding.role is Role.STOP else f"{purpose(finding)}: {finding.criterion}"


def verdict(finding: Finding) -> str:
    """The verdict in a word: what a tree or a test asks is not breached but established."""
    branch = finding.role is not Role.STOP
    return "established" if branch and finding.verdict is Verdict.BREACH else str(finding.verdict)
