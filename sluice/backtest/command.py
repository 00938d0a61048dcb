"""`sluice backtest`: what a plan's criteria would have done to rollouts in which nothing changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from gates.foresight import share
from gates.judge import unsupported
from gates.sources.config import ConfigError
from gates.sources.opening import from_folder, open_sources
from plans.load import Known
from plans.schema import Metric, Plan
from plans.timeline import local, timeline
from rollout.counting import EVENTS
from sluice import plan_files, render
from sluice.access import here
from sluice.backtest.history import Past, grid, recall
from sluice.backtest.recorded import remembered
from sluice.backtest.trials import Trial, periods, replayable, summary_json, told_by, trials
from sluice.errors import RefusedError, UsageError
from sluice.options import AsJson, Data, PlanFile, emit, settings
from sluice.progress import watched


def backtest(
    file: PlanFile,
    *,
    source: Annotated[str, typer.Option(help="Whose history: a source of sluice.toml, or events.", show_default=False)],
    from_: Annotated[
        str, typer.Option("--from", help="From then on: 2026-06-01 09:00, in the plan's zone.", show_default=False)
    ],
    to: Annotated[str, typer.Option(help="Up to then.", show_default=False)],
    splits: Annotated[int, typer.Option(help="How many lots are drawn for each period.", min=1, max=1_000)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same lots.")] = 1,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Replay a plan's criteria over recorded history, A against A.

    As many rollouts of the plan as fit between the two instants are run one
    after another over what the source remembers of everybody's stable. Who has
    the imaginary candidate is drawn by lot, so every revert would be a mistake.
    """
    plan = plan_files.loaded(file, Known(offline=True))
    begins, ends = plan_files.instant(from_, plan), plan_files.instant(to, plan)
    metrics = _judgeable(plan, source)
    plan = replayable(plan, metrics)
    starts = _starts(plan, begins, ends)
    past = _past(plan, source, metrics, grid(plan, begins, ends), data)
    if not past.counts:
        raise RefusedError(f"{source} remembers nothing of that time: {_why(past)}")
    total = len(starts) * splits
    found = list(watched(trials(plan, past, starts, splits, seed), total, "replaying"))
    missing = {name: {"windows": count, "why": past.problems.get(name)} for name, count in past.missing.items()}
    told = {"name": plan.name, "source": source, "from": _iso(begins), "to": _iso(ends), "seed": seed}
    told |= {"windows": past.asked, "missing": missing} | summary_json(found)
    emit(told, _shown(plan, told, found, metrics), as_json=as_json)


def _judgeable(plan: Plan, source: str) -> Mapping[str, Metric]:
    """The metrics that the source tells and a criterion asks for; raises RefusedError where there are none."""
    if problems := unsupported(plan):
        raise RefusedError(f"{plan.name} cannot be judged yet: {'; '.join(problems)}")
    asked = {criterion.when.metric for criterion in plan.stop.criteria}
    found = {name: metric for name, metric in told_by(plan, source).items() if name in asked}
    if not found:
        where = ", ".join(sorted({metric.source for metric in plan.metrics.values()}))
        raise RefusedError(f"no criterion of {plan.name} rests on a share counted by {source}; its sources: {where}")
    return found


def _starts(plan: Plan, begins: datetime, ends: datetime) -> list[datetime]:
    """When each rollout begins; raises UsageError for times that none fits between."""
    if ends > datetime.now(UTC):
        raise UsageError(f"--to {local(plan, ends)} has not been yet; history ends now")
    if starts := list(periods(plan, begins, ends)):
        return starts
    last = local(plan, timeline(plan, begins)[-1].at)
    raise UsageError(f"a rollout of {plan.name} from {local(plan, begins)} takes until {last}; give --to that much")


def _past(
    plan: Plan, source: str, metrics: Mapping[str, Metric], starts: Sequence[datetime], data: Path | None
) -> Past:
    if source == EVENTS:
        with here(data) as desk:
            return remembered(desk.store, plan, metrics, starts)
    try:
        sources = open_sources(from_folder(settings(data=data).data))
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if source not in sources:
        known = ", ".join([EVENTS, *sources])
        raise RefusedError(f"source {source} is not configured in sluice.toml; known here: {known}")
    return recall(sources[source], source, plan, metrics, starts)


def _shown(plan: Plan, told: Mapping[str, Any], found: Sequence[Trial], metrics: Mapping[str, Metric]) -> Group:
    back, total = told["reverted"], told["rollouts"]
    headline = f"These criteria would have reverted {back:,} of {total:,} healthy rollouts"
    bound = f"95 % upper bound {share(told['upper_bound'])}"
    kinds = ", ".join(f"{count:,} {render.words(name)}" for name, count in told["outcomes"].items())
    lines = [
        Text.assemble((headline, "bold red" if back else "bold green"), f", {bound}"),
        Text(f"{kinds} · each as long as {plan.name}, one after another, A against A"),
    ]
    rows = [trial for trial in found if trial.taken_back]
    return Group(*lines, *([_reverts(plan, rows)] if rows else []), *map(Text, _notes(plan, told, metrics)))


def _reverts(plan: Plan, rows: Sequence[Trial]) -> Any:
    table = render.plain_table("began", "taken back", "in the bucket", "why")
    for trial in rows:
        bucket = "-" if trial.bucket is None else f"{trial.bucket.start:%H:%M}-{trial.bucket.end:%H:%M} UTC"
        where = f"{local(plan, trial.at)} in {trial.phase}"
        table.add_row(local(plan, trial.begins), where, bucket, trial.reason)
    return table


def _notes(plan: Plan, told: Mapping[str, Any], metrics: Mapping[str, Metric]) -> Iterator[str]:
    for name, gap in told["missing"].items():
        why = f": {gap['why']}" if gap["why"] else ""
        yield f"note: {name} has no count in {gap['windows']:,} of {told['windows']:,} windows{why}"
    if left := [c.text for c in plan.stop.criteria if c.when.metric not in metrics]:
        yield f"note: not asked of {told['source']}, but with their share of the promise: {', '.join(left)}"
    yield "note: units are drawn by lot anew in each bucket, so a unit's own luck is not carried along"


def _why(past: Past) -> str:
    return "; ".join(sorted(set(past.problems.values()))) or "no counts"


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
