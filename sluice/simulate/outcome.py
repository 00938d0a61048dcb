"""What rehearsals came to: one in full, many as rates with exact bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from gates.bounds import lower_bound, upper_bound
from gates.planner import DAY, Traffic
from rollout.blocks import blocks
from rollout.model import FULL, Status
from serving.shapes import journal_json
from sluice.simulate.faults import Kind, Spell
from sluice.simulate.stage import Ended

CONFIDENCE = 0.95
TAKEN_BACK = (Status.REVERTED, Status.DISABLED)
STOPPED = frozenset({*TAKEN_BACK, Status.HELD})
MET = frozenset({Kind.TIMES, Kind.SHARE})  # what happens to units; the others happen to the counting
MINUTE = timedelta(minutes=1)
QUANTILES = (("p50", 0.5), ("p90", 0.9))


@dataclass(frozen=True, slots=True)
class Served:
    """A stretch in which so many thousandths of a percent had the candidate."""

    begins: datetime
    ends: datetime
    exposure: int


@dataclass(frozen=True, slots=True)
class Tally:
    """One run of many: how it ended, minutes from the first fault to that end, units that met a fault."""

    outcome: str
    delay: float | None
    exposed_to_fault: int


def one_json(ended: Ended, traffic: Traffic, spells: Sequence[Spell]) -> dict[str, Any]:
    """One run as `sluice simulate --json` gives it; `reason` says `cause` in words."""
    state, last = ended.rollout.state, ended.journal[-1] if ended.journal else None
    cause, reason = (str(last.cause), last.reason) if last else ("schedule", "")
    standing = blocks(ended.rollout.plan, state, ended.rollout.evidence, ended.at)
    if state.status in {Status.RUNNING, Status.SCHEDULED} and standing:
        cause, reason = str(standing[0].code), standing[0].text
    served = tuple(_served(ended))
    return {
        "outcome": str(state.status),
        "at": ended.at.isoformat().replace("+00:00", "Z"),
        "phase": ended.rollout.plan.phases[state.phase].name if state.phase >= 0 else None,
        "cause": cause,
        "reason": reason,
        "exposed_units": _units(served, traffic),
        "exposed_to_fault": _met(served, traffic, spells),
        "journal": [journal_json(entry) for entry in ended.journal],
    }


def tally(ended: Ended, traffic: Traffic, spells: Sequence[Spell]) -> Tally:
    """What of one run counts among many."""
    began = min((spell.begins for spell in spells), default=None)
    stopped = ended.rollout.state.status in STOPPED and began is not None and ended.at > began
    delay = (ended.at - began) / MINUTE if began is not None and stopped else None
    return Tally(str(ended.rollout.state.status), delay, _met(tuple(_served(ended)), traffic, spells))


def many_json(runs: Sequence[Tally], seed: int) -> dict[str, Any]:
    """Many runs as `sluice simulate --json` gives them; with exact 95 % bounds.

    `upper_bounds` are one-sided; `intervals` are the two-sided ones of Clopper and Pearson.
    """
    outcomes = Counter(run.outcome for run in runs)
    number, each_side = len(runs), (1 + CONFIDENCE) / 2
    for status in (Status.COMPLETED, Status.REVERTED):
        outcomes.setdefault(str(status), 0)
    return {
        "runs": number,
        "seed": seed,
        "outcomes": dict(sorted(outcomes.items())),
        "upper_bounds": {name: upper_bound(found, number, CONFIDENCE) for name, found in sorted(outcomes.items())},
        "intervals": {
            name: [lower_bound(found, number, each_side), upper_bound(found, number, each_side)]
            for name, found in sorted(outcomes.items())
        },
        "revert_delay_minutes": _spread([run.delay for run in runs if run.delay is not None]),
        "exposed_to_fault": _spread([run.exposed_to_fault for run in runs]),
    }


def _served(ended: Ended) -> Iterator[Served]:
    ends = [*(entry.at for entry in ended.journal[1:]), ended.at]
    for entry, end in zip(ended.journal, ends, strict=True):
        if entry.after.exposure and end > entry.at:
            yield Served(entry.at, end, entry.after.exposure)


def _units(served: Sequence[Served], traffic: Traffic) -> int:
    """Units that had the candidate; each comes once a day, and is counted once however often it comes."""
    visits = sum((span.ends - span.begins).total_seconds() / DAY * span.exposure for span in served)
    most = max((span.exposure for span in served), default=0)
    return round(traffic.daily * min(visits, most) / FULL)


def _met(served: Sequence[Served], traffic: Traffic, spells: Sequence[Spell]) -> int:
    """Units that had the candidate while any fault of theirs lasted."""
    lasting = [spell for spell in spells if spell.fault.kind in MET]
    cuts = sorted({edge for spell in lasting for edge in (spell.begins, spell.ends)})
    return _units([part for span in served for part in _parts(span, cuts) if _faulty(part, lasting)], traffic)


def _parts(span: Served, cuts: Sequence[datetime]) -> Iterator[Served]:
    edges = [span.begins, *(cut for cut in cuts if span.begins < cut < span.ends), span.ends]
    for begins, ends in pairwise(edges):
        yield Served(begins, ends, span.exposure)


def _faulty(part: Served, spells: Sequence[Spell]) -> bool:
    return any(spell.begins <= part.begins < spell.ends for spell in spells)


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median and ninth decile, each a value that occurred; null where nothing did."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p90": None}
    return {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in QUANTILES}
