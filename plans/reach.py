"""How soon a plan lets how many in: two ramps are compared by what each has reached when, and past which gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from plans.schema import Plan


class Passed(NamedTuple):
    """What lies behind a rollout that goes above an exposure: seconds of hold, approvals, demands of a pass, tests."""

    held: int
    approvals: int
    passes: int
    tests: int


NEVER = Passed(2**62, 2**62, 2**62, 2**62)


@dataclass(frozen=True, slots=True)
class Reach:
    """By exposure, in thousandths of a percent, what was passed before it was gone above; and before the end."""

    steps: tuple[tuple[int, Passed], ...]
    end: Passed

    def above(self, exposure: int) -> Passed:
        """What was passed when exposure first went above this one."""
        return next((passed for reached, passed in self.steps if reached > exposure), NEVER)

    def sooner_than(self, other: Reach) -> bool:
        """Whether any exposure, or the end, is reached past less than in the other."""
        levels = {0, *(exposure for exposure, _ in (*self.steps, *other.steps))}
        pairs = [(self.above(level), other.above(level)) for level in levels] + [(self.end, other.end)]
        return any(mine < yours for one, two in pairs for mine, yours in zip(one, two, strict=True))


def reaching(plan: Plan, entered: int) -> Reach:
    """The ramp of a plan from the end of its entered phases on."""
    steps, passed = [], Passed(0, 0, 0, 0)
    for index, phase in list(enumerate(plan.phases))[entered:]:
        steps.append((plan.exposure(index), passed))
        passed = Passed(
            passed.held + phase.hold.total_seconds,
            passed.approvals + (phase.approval is not None),
            passed.passes + (phase.advance is not None),
            passed.tests + (phase.decide is not None),
        )
    return Reach(tuple(steps), passed)
