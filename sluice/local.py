"""Sluice in a data folder or database of this machine: straight to the store, whether or not anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gates.judge import unsupported
from plans.load import Known, digest, loads
from plans.schema import Plan
from plans.timeline import local, timeline
from rollout.commands import carry_out
from rollout.decide import refusal
from rollout.describe import effect, percent, status_json
from rollout.model import Command, Verb
from serving.shapes import journal_json, run_url
from sluice.errors import RefusedError
from sluice.plan_files import instant
from sluice.settings import Settings
from sluice.who import who
from state import step
from state.clock import Clock
from state.commands import Seen
from state.database import connect, migrate, sqlite_url
from state.store import Rollout, Store

Json = dict[str, Any]
PROCESS = "cli"
GUARD = "guard"
GUARD_LATE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A store with its clock; `prefect` is where its runs are looked at."""

    store: Store
    clock: Clock
    environment: str
    prefect: str

    @classmethod
    def open(cls, settings: Settings) -> Local:
        """The store that the settings name, its tables brought up to date."""
        engine = connect(settings.database_url or sqlite_url(settings.data))
        migrate(engine)
        store = Store(engine, PROCESS)
        return cls(store=store, clock=Clock(store), environment=settings.environment, prefect=settings.prefect_url)

    def submit(self, text: str, file: str, by: str, *, check: bool) -> Json:
        """Hand in a plan."""
        now = self.clock.now()
        if check:
            return _would_submit(loads(text, file, Known()), now)
        done = step.submit(self.store, text, by, now, file=file, unsupported=unsupported)
        plan = self.store.rollout(done.name).plan
        told = {"name": done.name, "digest": done.digest, "created": done.created}
        return told | self.run_of(done.name) | {"effect": done.effect or _course(plan, now)}

    def run_of(self, name: str) -> Json:
        """The rollout's Prefect run."""
        rollout = self.store.rollout(name)
        return {"prefect_run": rollout.run_id, "url": run_url(self.prefect, rollout)}

    def supervised(self) -> bool:
        """Whether the guard has swept lately."""
        beat = self.store.beats().get(GUARD)
        return beat is not None and self.clock.real() - beat.at < GUARD_LATE

    def rollouts(self) -> list[Json]:
        """All rollouts, oldest first."""
        return [self.rollout(name) for name in self.store.names()]

    def rollout(self, name: str) -> Json:
        """One rollout."""
        found = self.store.rollout(name)
        return status_json(
            found.plan,
            found.state,
            found.evidence,
            self.clock.now(),
            environment=self.environment,
            prefect_url=run_url(self.prefect, found),
        )

    def history(self, name: str) -> list[Json]:
        """The journal."""
        return [journal_json(entry) for entry in self.store.journal(name)]

    def command(
        self,
        name: str,
        verb: str,
        by: str,
        reason: str,
        revision: int | None,
        args: Mapping[str, Any],
        *,
        check: bool,
    ) -> Json:
        """Ask something of a rollout."""
        now = self.clock.now()
        if check:
            asked = Command(id=0, verb=Verb(verb), by=by, reason=reason, at=now, revision=revision, args=args)
            return _would(self.store.rollout(name), asked, now)
        seen = Seen(revision=revision)
        outcome = step.command(self.store, name, Verb(verb), by, reason, now, seen=seen, args=args)
        return _answered(name, outcome)

    def kill(self, flag: str, by: str, reason: str) -> Json:
        """Switch a flag off for everyone."""
        return dict(self.store.kill(flag, by, reason, self.clock.now()))

    def restore(self, flag: str, by: str, reason: str) -> Json:
        """Lift a flag's kill switch."""
        return dict(self.store.restore(flag, by, reason, self.clock.now()))

    def rollback(self, flag: str, by: str, reason: str) -> Json:
        """Give everyone the old stable."""
        told = _answered(flag, step.rollback(self.store, flag, by, reason, self.clock.now()))
        served = self.store.flag(flag)
        assert served is not None  # noqa: S101 - it was rolled back a line ago
        return told | {"flag": flag, "enabled": served.enabled, "version": served.version}

    def who(self, flag: str, unit: str, attributes: Mapping[str, str], at: str | None) -> Json:
        """What a unit is served."""
        now = self.clock.now()
        return who(self.store, flag, unit, attributes, now, now if at is None else instant(at))

    def close(self) -> None:
        """Give back connections."""
        self.store.engine.dispose()


def _answered(name: str, outcome: step.Outcome) -> Json:
    if not outcome.accepted:
        raise RefusedError(outcome.why or "refused")
    return {"name": name, "accepted": True, "revision": outcome.revision, "effect": outcome.effect}


def _would(rollout: Rollout, command: Command, now: datetime) -> Json:
    """What a command would come to."""
    if why := refusal(rollout.plan, rollout.state, rollout.evidence, command, now):
        raise RefusedError(why)
    after = carry_out(rollout.plan, rollout.state, rollout.evidence, command, now).after
    told = effect(rollout.plan, rollout.state, after)
    return {"name": rollout.name, "accepted": True, "revision": rollout.state.revision, "effect": f"would: {told}"}


def _would_submit(plan: Plan, now: datetime) -> Json:
    """What handing in a plan would come to."""
    if problems := unsupported(plan):
        raise RefusedError(f"{plan.name} cannot be judged yet: {'; '.join(problems)}")
    told: Json = {"name": plan.name, "digest": digest(plan), "created": False, "prefect_run": None, "url": None}
    return told | {"effect": f"would: {_course(plan, now)}"}


def _course(plan: Plan, now: datetime) -> str:
    steps = timeline(plan, now)
    first, last = steps[0], steps[-1]
    begins = f"{first.phase} begins {local(plan, first.at)} with {percent(first.exposure)}"
    return f"nobody's variant changes yet; {begins}, complete {local(plan, last.at)} at the earliest"
