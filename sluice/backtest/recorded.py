"""What the embedded source remembers: the closed buckets of rollouts, of those who had stable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from plans.schema import Metric, Plan
from plans.timeline import bucket_seconds
from rollout.model import FULL, Counts
from sluice.backtest.history import EPOCH, Past
from state.buckets import read_buckets
from state.store import Store

UNKNOWN = "no rollout of this flag counted it then, with anyone on stable"


def remembered(store: Store, plan: Plan, metrics: Mapping[str, Metric], starts: Sequence[datetime]) -> Past:
    """What rollouts of the plan's flag counted of those who had stable, on the grid of the plan's buckets.

    Only metrics that those rollouts counted in the same way are taken.
    """
    width, wanted = timedelta(seconds=bucket_seconds(plan)), set(starts)
    counts: defaultdict[datetime, dict[str, Counts]] = defaultdict(dict)
    for rollout in (store.rollout(name) for name in store.names()):
        if rollout.state.flag != plan.flag:
            continue
        same = {name for name, metric in metrics.items() if rollout.plan.metrics.get(name) == metric}
        for bucket in read_buckets(store, {rollout.id: None})[rollout.id]:
            cell = bucket.start - (bucket.start - EPOCH) % width
            if cell in wanted and bucket.exposure < FULL:
                told = counts[cell]
                for name in same & bucket.counts.keys():
                    told[name] = told.get(name, Counts()) + bucket.counts[name][1]
    found = {cell: told for cell, told in counts.items() if told}
    heard = {name for told in found.values() for name in told}
    problems = dict.fromkeys(metrics.keys() - heard, UNKNOWN)
    return Past(width=width, asked=len(starts), counts=found, problems=problems)
