"""`sluice demo`: six weeks of a good rollout and the end of a bad one, on the real parts, in a few minutes.

Everything it claims is checked against what it expects, and every figure comes from Sluice's store; the application's
own tally is shown as such. Any disagreement is exit code 1.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

import plans
from plans.load import load
from plans.schema import Plan
from plans.timeline import Step, local, timeline
from rollout.describe import percent
from rollout.model import Bucket, Cause, Status, Verb
from sluice import demo_report as report
from sluice import render
from sluice.demo_answer import Approver
from sluice.demo_house import Application, Feature, application, data_folder, everything_up, free_port, store_at
from sluice.demo_model import USERS
from sluice.errors import RefusedError
from sluice.local import Local
from sluice.options import Port, PrefectPort
from sluice.settings import PORT, PREFECT_PORT, Settings
from state.events import Events
from state.rows import JournalEntry

Show = Callable[[Any], None]
Told = tuple[Plan, Sequence[JournalEntry]]
Teller = Callable[[], Told]
SEED = 1
"""The first there is: the suite tells the story with the next ones too, and none has been picked."""
EXAMPLES = Path(plans.__file__).with_name("examples")
GUARDS = frozenset({"guard", "supervisor"})
"""The guard as a Prefect run, and the same sweep where Prefect does not answer."""
POLL = 0.4
DELIVERY = 20.0
PATIENCE = 120.0
"""Seconds in which neither the clock nor the rollout moves, after which the demo gives up."""
GOOD = Feature(
    flag="case-law-ai",
    visits=2_000,
    seed=SEED,
    reported=("request", "complaint", "error", "shown", "labelled", "correct", "irrelevant"),
)
BAD = Feature(flag="case-law-ai-bad", visits=20_000, seed=SEED, reported=("request", "error"))


class Story(StrEnum):
    """What is told: the rollout that goes well, the one that is reverted, or one after the other."""

    BOTH = "both"
    GOOD = "good"
    BAD = "bad"


class DemoError(RefusedError):
    """What the demo saw is not what it expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the stories are played: the settings, the store's client, and who to show things to."""

    settings: Settings
    sluice: Local
    approver: Approver
    show: Show
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:  # noqa: FBT001 - the thing that is expected
        """Show an expectation and whether it held; what did not is told again at the end."""
        self.show(f"  {'ok  ' if holds else 'WRONG'} {what}")
        if not holds:
            self.wrong.append(what)


def demo(
    *,
    story: Annotated[Story, typer.Option(help="What is told.")] = Story.BOTH,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running at the end, until Ctrl-C.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="A new data folder (default: one that is removed).", show_default=False)
    ] = None,
    port: Port = None,
    prefect_port: PrefectPort = None,
) -> None:
    """Six weeks in three minutes: one rollout that goes well, one that is reverted by the guard."""
    run(data, port, prefect_port, story=story, keep=keep, show=render.show)


def run(data: Path | None, port: int | None, prefect_port: int | None, *, story: Story, keep: bool, show: Show) -> None:
    """Play what is asked for; raises DemoError where anything differs from what was expected.

    With `keep` everything stays up until Ctrl-C, and the data folder after it.
    """
    signal.signal(signal.SIGTERM, _stop)
    with ExitStack() as stack:
        folder = stack.enter_context(data_folder(data, keep=keep))
        settings = Settings(
            data=folder,
            port=port or free_port(PORT),
            prefect_port=prefect_port or free_port(PREFECT_PORT),
        )
        stage, tellers = _stage(settings, show)
        show("Starting Prefect's server, the runner, the supervisor and the flag server:")
        stack.enter_context(everything_up(settings, show))
        told = [teller() for name, teller in tellers.items() if story in {name, Story.BOTH}]
        show("\nWho made each transition:")
        for plan, entries in told:
            show(f"\n{plan.name}")
            show(report.story_table(plan, entries))
        _conclude(stage)
        _look_further(stage, keep=keep)
        if keep:
            with suppress(KeyboardInterrupt):
                threading.Event().wait()


def _stage(settings: Settings, show: Show) -> tuple[Stage, Mapping[Story, Teller]]:
    """The stage with its clock set to the day before the good story begins, and both stories, to be told on it."""
    good, bad = load(EXAMPLES / "case-law.yaml"), load(EXAMPLES / "case-law-bad.yaml")
    begin = report.day_before(timeline(good, report.BEFORE_ALL))
    store, clock = store_at(settings.data, begin)
    sluice = Local(store=store, clock=clock, environment="demo", prefect=settings.prefect_url)
    stage = Stage(settings=settings, sluice=sluice, approver=Approver(settings.prefect_url, show), show=show)
    return stage, {Story.GOOD: partial(_good, stage, good, timeline(good, begin)), Story.BAD: partial(_bad, stage, bad)}


def _good(stage: Stage, plan: Plan, preview: Sequence[Step]) -> Told:
    """The worked example: alpha, an approval, beta with a higher threshold, majority, general availability."""
    stage.show(f"\n{plan.summary}: {plan.name}, from {local(plan, report.day_before(preview))}")
    began = time.monotonic()
    entries = _play(stage, plan, "case-law.yaml", GOOD)
    weeks = (entries[-1].at - entries[0].at) / timedelta(weeks=1)
    stage.show(f"  {weeks:g} weeks in {report.span(timedelta(seconds=time.monotonic() - began))}\n")
    for difference in (differences := list(report.undated(plan, preview, entries))):
        stage.show(f"  {difference}")
    stage.expect(not differences, f"all {len(preview)} dates are those of `sluice preview`")
    stage.expect(entries[-1].after.status is Status.COMPLETED, "general availability, complete")
    stage.expect(any(e.verb is Verb.APPROVE and e.cause is Cause.PERSON for e in entries), "a person approved alpha")
    _threshold(stage, plan, entries)
    return plan, entries


def _threshold(stage: Stage, plan: Plan, entries: Sequence[JournalEntry]) -> None:
    """The day-3 change, from Sluice's own counts of the candidate's users."""
    stage.show("\n   Irrelevant suggestions before and after day 3 of beta, as Sluice counted them:")
    found = report.observed("v2.4", _buckets(stage, plan.name), report.thresholds(plan, entries))
    stage.show(report.observed_table(found))
    stage.expect([row.threshold for row in found] == [0.7, 0.8], "min_confidence went from 0.7 to 0.8")
    for row in found:
        about = f"{row.expected:.1%}".replace(".0%", "%")
        stage.expect(row.agrees, f"at {row.threshold:g} about {about}, within {report.TOLERANCE} standard deviations")


def _buckets(stage: Stage, name: str) -> Sequence[Bucket]:
    """Everything that Sluice has counted of a rollout."""
    rollout = stage.sluice.store.rollout(name).id
    events = Events(stage.sluice.store, stage.sluice.clock)
    return events.buckets({rollout: None}, stage.sluice.clock.now())[rollout]


def _bad(stage: Stage, plan: Plan) -> Told:
    """6 % errors against 2 %: nobody is asked, nobody looks, the guard reverts."""
    stage.show(f"\n{plan.summary}: {plan.name}")
    entries = _play(stage, plan, "case-law-bad.yaml", BAD)
    last, start = entries[-1], next(entry for entry in entries if entry.verb is Verb.START)
    highest = max(entry.after.exposure for entry in entries)
    stage.show("")
    stage.expect(
        (last.verb, last.cause) == (Verb.REVERT, Cause.CRITERION), "reverted, by a criterion and by nobody else"
    )
    stage.expect(last.process in GUARDS, "the guard did it")
    stage.expect(highest == plan.exposure(0), f"never more than {percent(plan.exposure(0))} of users had it")
    told = _alert(stage, plan)
    stage.expect(told is not None, "the alert is in the log")
    stage.show(f"  alert       {told}")
    stage.show(f"  it took     {report.span(last.at - start.at)} from the start")
    stage.show(
        f"  met by      {report.exposed(plan, start.after.exposure)} of {USERS:,} users, the cohort of that phase"
    )
    stage.show(f"  evidence    {last.reason}")
    return plan, entries


def _alert(stage: Stage, plan: Plan) -> str | None:
    """The log's line about the revert; delivery follows the commit by a moment."""
    deadline = time.monotonic() + DELIVERY
    while time.monotonic() < deadline:
        if found := report.alerts(stage.settings.data, plan.name, "reverted"):
            return found[0]
        time.sleep(POLL)
    return None


def _play(stage: Stage, plan: Plan, example: str, feature: Feature) -> Sequence[JournalEntry]:
    """Submit a plan, run the application, and show each transition until the rollout ends; gives its journal."""
    file = EXAMPLES / example
    submitted = stage.sluice.submit(file.read_text(encoding="utf-8"), str(file), "demo", check=False)
    stage.show(f"  submitted {file.name}: {submitted['effect']}")
    usual = f"{feature.visits:,} visits a day (a quarter of them over the holidays)"
    stage.show(f"  application: {USERS:,} users, {usual}, seed {feature.seed}")
    with application(stage.settings.url, feature, stage.settings.data / "logs" / f"{feature.flag}.log") as running:
        entries = [_shown(stage, plan, entry) for entry in _happening(stage, plan, running)]
        tally = running.end()
    met = f"{tally['users_who_met_the_candidate']:,} users met the candidate"
    stage.show(f"  application: {tally['visits']:,} visits, {tally['visits_a_second']:,} a second; {met}")
    stage.expect(tally["fallbacks"] == 0, "every evaluation was answered")
    return entries


def _happening(stage: Stage, plan: Plan, running: Application) -> Iterator[JournalEntry]:
    """The rollout's transitions as they are committed, until it has ended; its question is answered on the way."""
    seen, stuck = 0, Stuck()
    while True:
        rollout = stage.sluice.store.rollout(plan.name)
        if rollout.state.revision > seen:
            fresh = stage.sluice.store.journal(plan.name)[seen:]
            yield from fresh
            seen += len(fresh)
        if not rollout.state.status.live and rollout.state.revision == seen:
            return
        stage.approver.look(rollout)
        running.check()
        if stuck.for_long((seen, stage.sluice.clock.now())):
            status, logs = rollout.state.status, stage.settings.data / "logs"
            raise DemoError(f"{plan.name} is {status} and has not moved for {PATIENCE:g} s; see {logs}")
        time.sleep(POLL)


class Stuck:
    """Whether what is looked at has stopped changing."""

    def __init__(self) -> None:
        self._last: object = None
        self._since = time.monotonic()

    def for_long(self, position: object) -> bool:
        """Whether `position` is the same as PATIENCE seconds ago."""
        if position != self._last:
            self._last, self._since = position, time.monotonic()
        return time.monotonic() - self._since > PATIENCE


def _shown(stage: Stage, plan: Plan, entry: JournalEntry) -> JournalEntry:
    stage.show(report.line(plan, entry))
    return entry


def _look_further(stage: Stage, *, keep: bool) -> None:
    """Where to look, for as long as it runs."""
    stage.show(
        "\nStill running, until Ctrl-C:" if keep else "\nWith `sluice demo --keep` it stays up, to be looked at:"
    )
    for name in stage.sluice.store.names():
        stage.show(f"  {name:<14} {stage.sluice.rollout(name)['prefect_url']}")
    stage.show(f"  {'in a shell':<14} sluice history {name} --data {stage.settings.data}")


def _conclude(stage: Stage) -> None:
    if stage.wrong:
        raise DemoError(f"not as expected: {'; '.join(stage.wrong)}")
    stage.show("\nEverything was as expected.")


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
