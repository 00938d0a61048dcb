"""Where people's requests are answered, in the documented JSON shapes, for HTTP and command line alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gates.judge import unsupported
from plans.expressions import Duration
from plans.load import Known, digest, loads
from plans.schema import Plan
from plans.timeline import local, timeline
from rollout.agenda import agenda
from rollout.amending import amended_plan, changes
from rollout.commands import carry_out
from rollout.decide import refusal
from rollout.describe import effect, percent, status_json
from rollout.incidents import utc
from rollout.model import Command, Verb
from serving.shapes import agenda_json, change_json, incident_json, journal_json, run_url
from serving.who import who
from state import step
from state.clock import Clock
from state.errors import RefusedError
from state.seen import Seen
from state.store import Rollout, Store

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A store with its clock; `prefect` is the Prefect server's address, where runs are looked at.

    Every method raises UnknownError for a name that was never used, RefusedError for what cannot be done now.
    """

    store: Store
    clock: Clock
    environment: str = "default"
    prefect: str | None = None
    known: Known = field(default_factory=Known)

    def submit(
        self, text: str, file: str, by: str, reason: str = "", *, check: bool, person: str | None = None
    ) -> Json:
        """Hand in a plan, or say what that would do; raises PlanError with every problem of the text.

        Here as below `person` is whom the one who asks is known to be, None where nobody vouches for that.
        """
        now = self.clock.now()
        if check:
            return self._would_submit(loads(text, file, self.known), now, person or by)
        given = self.store, text, by, now
        done = step.submit(*given, known=self.known, file=file, reason=reason, unsupported=unsupported, person=person)
        plan = self.store.rollout(done.name).plan
        told = {"name": done.name, "digest": done.digest, "created": done.created}
        return told | self.run_of(done.name) | {"effect": done.effect or _course(plan, now)}

    def run_of(self, name: str) -> Json:
        """The rollout's Prefect run; both null until the supervisor has made it."""
        rollout = self.store.rollout(name)
        return {"prefect_run": rollout.run_id, "url": run_url(self.prefect, rollout)}

    def rollouts(self) -> list[Json]:
        """All rollouts, oldest first."""
        return [self.rollout(name) for name in self.store.names()]

    def rollout(self, name: str) -> Json:
        """One rollout: where it stands, what comes next, what is in the way, each criterion with its numbers."""
        found = self.store.rollout(name)
        untold = [{"event": event, "channel": to, "problem": why} for event, to, why in self.store.problems(name)]
        shape = status_json(
            found.plan,
            found.state,
            found.evidence,
            self.clock.now(),
            environment=self.environment,
            prefect_url=run_url(self.prefect, found),
        )
        return shape | {"untold": untold}

    def plan_text(self, name: str) -> str:
        """The plan that a rollout runs by, as it was written."""
        return self.store.rollout(name).plan_text

    def history(self, name: str) -> list[Json]:
        """Everything that happened to a rollout, oldest first."""
        return [journal_json(entry) for entry in self.store.journal(name)]

    def agenda(self, days: int) -> list[Json]:
        """What lies before the live rollouts in the days ahead, in order."""
        now = self.clock.now()
        found = [
            (entry, run_url(self.prefect, row))
            for row in self.store.live()
            for entry in agenda(self.store.plan_of(row), row.state, row.evidence, now, now + timedelta(days=days))
        ]
        found.sort(key=lambda one: (one[0].at, one[0].key))
        return [agenda_json(entry, self.environment, url) for entry, url in found]

    def head(self) -> str | None:
        """The head of the journals, to hold them against later."""
        return str(self.store.head())

    def command(
        self,
        name: str,
        verb: Verb,
        by: str,
        reason: str,
        seen: Seen,
        args: Mapping[str, Any],
        *,
        check: bool,
        person: str | None = None,
    ) -> Json:
        """Ask something of a rollout, or say what it would come to."""
        now = self.clock.now()
        if check:
            saw = {"revision": seen.revision, "phase": seen.phase, "question": seen.question}
            asked = Command(id=0, verb=verb, by=by, reason=reason, at=now, args=args, person=person, **saw)
            return _would(self.store.rollout(name), asked, now)
        outcome = step.command(self.store, name, verb, by, reason, now, seen=seen, args=args, person=person)
        return _answered(name, outcome)

    def amend(
        self,
        name: str,
        text: str,
        file: str,
        by: str,
        reason: str,
        *,
        check: bool,
        waits: bool = False,
        person: str | None = None,
    ) -> Json:
        """Change the plan of a live rollout, or say what that would do; raises PlanError with every problem.

        With `waits` even what is stricter waits for an approval. The answer's `waits` says whether it does.
        """
        now, rollout = self.clock.now(), self.store.rollout(name)
        args = step.amendment(self.store, name, text, known=self.known, file=file, waits=waits)
        asked = Command(id=0, verb=Verb.AMEND, by=by, reason=reason, at=now, args=args, person=person)
        new = amended_plan(asked)
        if problems := unsupported(new):
            raise RefusedError(f"{name} cannot be judged like this yet: {'; '.join(problems)}")
        found = changes(rollout.plan, rollout.state, new)
        told = {"digest": args["digest"], "changes": [change_json(change) for change in found]}
        if check:
            answer = _would(rollout, asked, now)
        else:
            made = step.command(self.store, name, Verb.AMEND, by, reason, now, args=args, person=person)
            answer = _answered(name, made)
        after = carry_out(rollout.plan, rollout.state, rollout.evidence, asked, now).after
        waiting = after.proposal is not None and after.proposal.digest == args["digest"]
        return answer | told | {"waits": waiting}

    def approve_amendment(self, name: str, digest: str, by: str, reason: str, *, person: str | None = None) -> Json:
        """Say yes to the amendment that waits under this digest; the last yes needed puts it in force."""
        now = self.clock.now()
        return _answered(name, step.approve_amendment(self.store, name, digest, by, reason, now, person=person))

    def kill(self, flag: str, by: str, reason: str) -> Json:
        """Switch a flag off for everyone, at once."""
        return dict(self.store.kill(flag, by, reason, self.clock.now()))

    def restore(self, flag: str, by: str, reason: str) -> Json:
        """Lift a flag's kill switch, and nothing else."""
        return dict(self.store.restore(flag, by, reason, self.clock.now()))

    def rollback(self, flag: str, by: str, reason: str) -> Json:
        """Give everyone the stable from before the flag's last completed rollout."""
        told = _answered(flag, step.rollback(self.store, flag, by, reason, self.clock.now()))
        served = self.store.flag(flag)
        switched = {"enabled": served.enabled, "version": served.version} if served else {}
        return told | {"flag": flag, **switched}

    def put_on_list(self, flag: str, verb: Verb, unit: str, by: str, reason: str) -> Json:
        """Put a unit on a live rollout's allow or block list, or take it off again."""
        now = self.clock.now()
        told = _answered(flag, step.put_on_list(self.store, flag, verb, unit, by, reason, now))
        return {"flag": flag, "unit": unit} | {key: told[key] for key in ("accepted", "revision", "effect")}

    def incidents(self) -> list[Json]:
        """Every incident ever declared, oldest first."""
        now = self.clock.now()
        return [incident_json(one, now) for one in self.store.incidents()]

    def start_incident(self, length: str, flags: Sequence[str], by: str, reason: str) -> Json:
        """Declare an incident: nothing grows until it is over; `length` is a duration in words, `2h`."""
        now = self.clock.now()
        one = self.store.start_incident(by, reason, flags, _length(length), now)
        waiting = sum(one.covers(row.state.flag) for row in self.store.live())
        grows = f"{waiting} live rollout{' does' if waiting == 1 else 's do'} not grow until {utc(one.over_at)}"
        return incident_json(one, now) | {"effect": f"{grows}; fixed limits and frozen rates are mute, control is not"}

    def end_incident(self, number: int | None, by: str, reason: str) -> Json:
        """End an incident before its time; without a number the one that lasts."""
        now = self.clock.now()
        one = self.store.end_incident(number, by, reason, now)
        return incident_json(one, now) | {"effect": "rollouts go on from their next look"}

    def who(self, flag: str, unit: str, attributes: Mapping[str, Any], at: datetime | None) -> Json:
        """What a unit is served at an instant (None: now), why, since when, and when it joins."""
        now = self.clock.now()
        return who(self.store, flag, unit, attributes, now, now if at is None else at)

    def _would_submit(self, plan: Plan, now: datetime, requester: str) -> Json:
        if problems := unsupported(plan):
            raise RefusedError(f"{plan.name} cannot be judged yet: {'; '.join(problems)}")
        told: Json = {"name": plan.name, "digest": digest(plan), "created": False, "prefect_run": None, "url": None}
        would = _course(plan, now) if self.store.admits(plan, requester) else "nothing: this plan is a rollout already"
        return told | {"effect": f"would: {would}"}


def _length(text: str) -> timedelta:
    """How long an incident lasts; raises RefusedError for what is no duration."""
    try:
        return Duration.parse(text).timedelta
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"for: {error}") from error


def _answered(name: str, outcome: step.Outcome) -> Json:
    if not outcome.accepted:
        raise RefusedError(outcome.why or "refused")
    return {"name": name, "accepted": True, "revision": outcome.revision, "effect": outcome.effect}


def _would(rollout: Rollout, command: Command, now: datetime) -> Json:
    if why := refusal(rollout.plan, rollout.state, rollout.evidence, command, now):
        raise RefusedError(why)
    after = carry_out(rollout.plan, rollout.state, rollout.evidence, command, now).after
    told = effect(rollout.plan, rollout.state, after)
    return {"name": rollout.name, "accepted": True, "revision": rollout.state.revision, "effect": f"would: {told}"}


def _course(plan: Plan, now: datetime) -> str:
    steps = timeline(plan, now)
    first, last = steps[0], steps[-1]
    begins = f"{first.phase} begins {local(plan, first.at)} with {percent(first.exposure)}"
    return f"nobody's variant changes yet; {begins}, complete {local(plan, last.at)} at the earliest"
