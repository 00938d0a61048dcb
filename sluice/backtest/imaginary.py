"""`sluice aa`: a rollout's criteria over imaginary cohorts of those who have stable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from gates.bounds import upper_bound
from gates.foresight import share, span
from gates.judge import compile, judge  # noqa: A004 - the gate's own word for it
from plans.expressions import Expose
from plans.schema import Plan, Then
from rollout.counting import total_key
from rollout.describe import percent
from rollout.model import FULL, Bucket, Status, Verdict
from rollout.moves import initial
from sluice import render
from sluice.access import here
from sluice.backtest.splitting import split
from sluice.errors import RefusedError, UsageError
from sluice.options import AsJson, Data, Name, emit
from sluice.progress import cores, watched
from sluice.sharing import shared
from sluice.simulate.outcome import CONFIDENCE
from state.buckets import read_buckets
from state.store import Store

HANDFUL = 25
ALONE = 50  # splits that are not worth a second core
DAY = 86_400
REVERTING = frozenset({Then.REVERT, Then.DISABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """What is split: the counts of those who had stable, and the exposure of the imaginary candidate."""

    plan: Plan
    buckets: tuple[Bucket, ...]
    exposure: int
    seed: int

    @property
    def phase(self) -> int:
        """The first phase with anyone in it."""
        return next(place for place in range(len(self.plan.phases)) if self.plan.exposure(place))


def aa(
    name: Name,
    *,
    splits: Annotated[int, typer.Option(help="How many lots are drawn.", min=1, max=100_000)] = 1_000,
    expose: Annotated[
        str | None, typer.Option(help="The imaginary share (default: the first exposed phase's).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same lots.")] = 1,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Would the criteria revert a candidate that is no other? A against A.

    Everybody who has had stable in this rollout so far, above all in a first
    phase at 0 %, is split by lot, again and again, into an imaginary candidate and
    its control, and judged by the real criteria.
    """
    with here(data) as desk:
        case = _case(desk.store, name, expose, seed)
    used = cores() if splits > ALONE else 1
    drawn = shared(partial(breached, case), splits, used, HANDFUL) if used > 1 else breaches(case, range(splits))
    found = list(watched(drawn, splits, "splitting"))
    told = told_json(case, found)
    emit(told, _shown(case, told), as_json=as_json)


def breached(case: Splits, numbers: range) -> list[tuple[str, ...]]:
    """As `breaches`, all at once."""
    return list(breaches(case, numbers))


def breaches(case: Splits, numbers: range) -> Iterator[tuple[str, ...]]:
    """Of each lot the criteria that a candidate with nothing wrong would have breached."""
    plan, first, last = case.plan, case.buckets[0], case.buckets[-1]
    gate, began = compile(plan), initial(plan, first.start)
    state = replace(began, status=Status.RUNNING, phase=case.phase, entered=first.start, exposure=case.exposure)
    for number in numbers:
        random = Random(f"{case.seed}/{number}")  # noqa: S311 - a lot, not a secret
        _, evidence = judge(gate, None, [_split(case, bucket, random) for bucket in case.buckets], state, last.end)
        yield tuple(finding.criterion for finding in evidence.stops if finding.verdict is Verdict.BREACH)


def told_json(case: Splits, found: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """What the lots came to, as `--json` gives it; `reverted` counts those that a criterion would have taken back."""
    grave = {criterion.text for criterion in case.plan.stop.criteria if criterion.then in REVERTING}
    reverted = sum(any(criterion in grave for criterion in lot) for lot in found)
    counted = Counter(criterion for lot in found for criterion in lot)
    return {
        "name": case.plan.name,
        "splits": len(found),
        "exposure": case.exposure / 1000,
        "days": (case.buckets[-1].end - case.buckets[0].start).total_seconds() / DAY,
        "reverted": reverted,
        "upper_bound": upper_bound(reverted, len(found), CONFIDENCE),
        "criteria": [
            {"criterion": criterion.text, "then": str(criterion.then), "breached": counted[criterion.text]}
            for criterion in case.plan.stop.criteria
        ],
        "units": {
            metric: sum(bucket.counts[metric][1].total for bucket in case.buckets if metric in bucket.counts)
            for metric in case.plan.metrics
        },
        "seed": case.seed,
    }


def _case(store: Store, name: str, expose: str | None, seed: int) -> Splits:
    """The counts to split; raises RefusedError where there are none yet."""
    rollout = store.rollout(name)
    found = [bucket for bucket in read_buckets(store, {rollout.id: None})[rollout.id] if bucket.exposure < FULL]
    if not any(control.total for bucket in found for _, control in bucket.counts.values()):
        raise RefusedError(f"nobody with stable has been counted for {name} yet; wait for the first closed bucket")
    kept = tuple(_splittable(rollout.plan, bucket) for bucket in found)
    return Splits(plan=rollout.plan, buckets=kept, exposure=_exposure(rollout.plan, expose), seed=seed)


def _exposure(plan: Plan, expose: str | None) -> int:
    """The imaginary share in thousandths of a percent; raises UsageError for nobody, everybody, and what is none."""
    if expose is None:
        shares = [plan.exposure(place) for place in range(len(plan.phases))]
        return min((share for share in shares if 0 < share < FULL), default=FULL // 2)
    try:
        exposure = Expose.parse(expose).thousandths(plan.audience.size)
    except ValueError as error:
        raise UsageError(f"--expose {expose}: {error}") from error
    if not 0 < exposure < FULL:
        raise UsageError(f"--expose {expose}: there must be two cohorts; write a share such as 10%")
    return exposure


def _splittable(plan: Plan, bucket: Bucket) -> Bucket:
    """A bucket without sums of numbers, which no lot can divide."""
    sums = {*(name for name, metric in plan.metrics.items() if metric.value), *map(total_key, plan.metrics)}
    return replace(bucket, counts={name: both for name, both in bucket.counts.items() if name not in sums})


def _split(case: Splits, bucket: Bucket, random: Random) -> Bucket:
    return Bucket(
        start=bucket.start,
        end=bucket.end,
        epoch=0,
        phase=case.phase,
        exposure=case.exposure,
        settings_epoch=0,
        counts={name: split(control, case.exposure, random) for name, (_, control) in bucket.counts.items()},
    )


def _shown(case: Splits, told: dict[str, Any]) -> Group:
    back, share_of = told["reverted"], percent(case.exposure)
    headline = f"would have reverted {back:,} of {told['splits']:,} random {share_of} splits"
    title = Text.assemble(
        (case.plan.name, "bold"),
        "  ",
        (headline, "bold red" if back else "bold green"),
        f", 95 % upper bound {share(told['upper_bound'])}",
    )
    table = render.plain_table("criterion", "then", "breached in")
    for criterion in told["criteria"]:
        breached_in = f"{criterion['breached']:,} of {told['splits']:,}"
        table.add_row(criterion["criterion"], criterion["then"], breached_in)
    units = ", ".join(f"{metric} {count:,}" for metric, count in told["units"].items() if count)
    rests = (
        f"A against A, over {span(told['days'])} of everybody with stable; at risk: {units}\n"
        "Lots are drawn anew in each bucket, so a unit's own luck is not carried along."
    )
    return Group(title, table, Text(rests, "dim"))
