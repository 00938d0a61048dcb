"""What the demo checks and shows: dates against the preview, the threshold's effect, who made each transition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path

import orjson
from rich.table import Table
from rich.text import Text

from plans.schema import Plan
from plans.timeline import Step, What, local
from rollout.describe import effect, percent, title
from rollout.exposure import bucket
from rollout.model import Bucket, Counts, Verb
from sluice.demo_model import irrelevant_rate, users
from sluice.render import plain_table
from state.rows import JournalEntry

DATED = {
    Verb.START: What.PHASE,
    Verb.ADVANCE: What.PHASE,
    Verb.ADJUST: What.ADJUST,
    Verb.AWAIT_APPROVAL: What.APPROVAL,
    Verb.COMPLETE: What.COMPLETE,
}
WORDS = {
    Verb.AWAIT_APPROVAL: "asks a person",
    Verb.APPROVE: "approved",
    Verb.ADJUST: "adjusted",
    Verb.COMPLETE: "complete",
    Verb.REVERT: "reverted",
}
WHEN = 25
"""Columns of an instant with its seconds and zone."""
BEFORE_ALL = datetime(2026, 1, 1, tzinfo=UTC)
"""Before any example plan starts."""
TOLERANCE = 4
"""Standard deviations."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Irrelevant answers of answers shown by the candidate at one threshold, beside the rate the model is made of."""

    threshold: float
    counts: Counts
    expected: float

    @property
    def deviation(self) -> float:
        """Distance from what is expected, in standard deviations of a binomial count."""
        n, p = self.counts.total, self.expected
        return (self.counts.bad - n * p) / sqrt(n * p * (1 - p)) if n else float("inf")

    @property
    def agrees(self) -> bool:
        """Whether the count is within 4 standard deviations."""
        return abs(self.deviation) <= TOLERANCE


def undated(plan: Plan, preview: Sequence[Step], entries: Iterable[JournalEntry]) -> Iterator[str]:
    """Where the journal and the preview differ, as sentences; nothing where every step came at its date."""
    promised = [(step.what, step.phase, step.at) for step in preview]
    happened = [(DATED[entry.verb], _phase(plan, entry), entry.at) for entry in entries if entry.verb in DATED]
    for what, phase, at in promised:
        if (what, phase, at) not in happened:
            yield f"{what} {phase} was promised for {local(plan, at)} and did not happen then"
    for what, phase, at in happened:
        if (what, phase, at) not in promised:
            yield f"{what} {phase} happened {local(plan, at)}, which the preview does not say"


def observed(model: str, buckets: Iterable[Bucket], thresholds: Mapping[int, float]) -> tuple[Observed, ...]:
    """The share of irrelevant answers by threshold; `thresholds` says what was in force since a settings epoch."""
    sums: dict[float, Counts] = {}
    for one in buckets:
        treatment, _ = one.counts.get("irrelevant", (Counts(), Counts()))
        threshold = thresholds[one.settings_epoch]
        sums[threshold] = sums.get(threshold, Counts()) + treatment
    return tuple(Observed(at, counts, irrelevant_rate(model, at)) for at, counts in sorted(sums.items()))


def thresholds(plan: Plan, entries: Iterable[JournalEntry]) -> dict[int, float]:
    """The threshold in force since each revision; 0 is the plan as submitted."""
    return {0: _threshold(plan.candidate)} | {entry.revision: _threshold(entry.after.settings) for entry in entries}


def observed_table(found: Sequence[Observed]) -> Table:
    """The worked example in numbers."""
    table = plain_table("min_confidence", "irrelevant", "of shown", "share", "the model is", "off by")
    for row in found:
        share = f"{row.counts.rate or 0:.2%}"
        off = f"{row.deviation:+.1f} sd"
        table.add_row(
            f"{row.threshold:g}", f"{row.counts.bad:,}", f"{row.counts.total:,}", share, f"{row.expected:.2%}", off
        )
    return table


def story_table(plan: Plan, entries: Sequence[JournalEntry]) -> Table:
    """A rollout transition by transition, with the process that made each."""
    table = plain_table("when", "what", "phase", "exposure", "made by")
    for entry in entries:
        what = str(entry.verb).replace("_", " ")
        table.add_row(local(plan, entry.at), what, _phase(plan, entry), percent(entry.after.exposure), entry.process)
    return table


def line(plan: Plan, entry: JournalEntry) -> Text:
    """One transition as it happens: when in the plan's zone and what, and below that what it means for people."""
    at, what, comes = local(plan, entry.at), _headline(plan, entry), effect(plan, entry.before, entry.after)
    return Text(f"  {at:<{WHEN}}{what}\n  {'':<{WHEN}}{comes}")


def exposed(plan: Plan, exposure: int) -> int:
    """How many of the application's users are in the cohort at an exposure."""
    return sum(bucket(plan.bucketing_salt, user.key) < exposure for user in users(seed=0))


def alerts(data: Path, name: str, event: str) -> list[str]:
    """What the log channel has told of a rollout's events of one kind, one line each."""
    file = data / "notices.log"
    rows = [orjson.loads(text) for text in file.read_bytes().splitlines()] if file.is_file() else []
    return [str(row["title"]) for row in rows if (row["rollout"], row["event"]) == (name, event)]


def span(length: timedelta) -> str:
    """A stretch of time as people say it: `1 d 4 h`, `35 min`."""
    minutes = round(length.total_seconds() / 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def day_before(preview: Sequence[Step]) -> datetime:
    """Where the demo's clock begins."""
    return preview[0].at - timedelta(days=1)


def _headline(plan: Plan, entry: JournalEntry) -> str:
    """Phase and exposure; what else happened where the phase did not change."""
    phase = title(plan.phases[entry.after.phase].name)
    what = WORDS.get(entry.verb)
    return f"{phase} · {what or percent(entry.after.exposure)}"


def _phase(plan: Plan, entry: JournalEntry) -> str:
    return plan.phases[entry.after.phase].name if entry.after.phase >= 0 else ""


def _threshold(settings: Mapping[str, object]) -> float:
    return float(str(settings["min_confidence"]))
