"""Any sequence of commands, clock jumps, verdicts and crashes keeps the promises of the core.

The reference model is plain: it tracks what has been promised (who was exposed, what was breached) and knows nothing of
how the core decides. A crash is a decision thrown away before it was written down: deciding again must give it again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plans.load import loads
from plans.timeline import next_open, next_thaw
from rollout.decide import decide, initial, kill, restore
from rollout.exposure import Variant, served, variant
from rollout.model import FULL, Cause, Command, Evidence, RolloutState, Status, Transition, Verb, Verdict
from tests.unit.rollout.story import BEGIN, DAY, PLAN_TEXT, command
from tests.unit.rollout.trees import look

TESTED = """\
    hold: 7d
    decide: {ship: refusals < control - 1pp, revert: refusals > control, ask: complaints > control}
"""
TREE = """\
tune:
  - metric: irrelevant
    when: "> 10%"
    raise: {min_confidence: 0.1, up_to: 0.9}
    observe: 1d
    keep_if: "< 5%"
    note_if: "< 5%"
"""
VOTES = """\
approvers: [ana@x, bo@x, cy@x]
approvals: 2
requester_may_approve: false
"""
ASKED = "approval: {required: true, expires: 5d}"
PLAN = loads(PLAN_TEXT.replace("    hold: 7d\n", TESTED).replace("approval: required", ASKED) + TREE + VOTES)
PEOPLE = st.sampled_from(["ana@x", "bo@x", "Ana@x", "cy@x", "eve@x", None])
STILL = frozenset({Verb.START, Verb.ADVANCE, Verb.COMPLETE, Verb.ADJUST, Verb.DECIDE, Verb.AWAIT_APPROVAL, Verb.TUNE})
GROWTH = frozenset({Verb.START, Verb.ADVANCE, Verb.COMPLETE, Verb.RESUME})
ASKS = st.sampled_from(
    [
        (Verb.APPROVE, {}),
        (Verb.ABORT, {}),
        (Verb.HOLD, {}),
        (Verb.RESUME, {}),
        (Verb.RESUME, {"phase": "alpha"}),
        (Verb.SET, {"settings": {"min_confidence": 0.9}}),
        (Verb.ADVANCE, {}),
        (Verb.EXTEND, {"duration": "1d"}),
        (Verb.BACK, {"phase": "alpha"}),
        (Verb.ROLLBACK, {}),
    ]
)
BRANCHES = st.sampled_from([Verdict.INSUFFICIENT] * 6 + [Verdict.BREACH] * 3 + [Verdict.INVALID])
VERDICTS = st.sampled_from([Verdict.INSUFFICIENT] * 6 + [Verdict.PASS, Verdict.NO_DATA, Verdict.BREACH])


class Rollout(RuleBasedStateMachine):
    """One rollout under everything that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = BEGIN - DAY
        self.state: RolloutState = replace(initial(PLAN, self.now), requester="cy@x")
        self.known = Evidence()
        self.journal: list[Transition] = []
        self.commands = 0

    @initialize()
    def look_first(self) -> None:
        """Every rollout begins with evidence that says nothing."""
        self.known = look(self.state, self.now, PLAN)

    @rule(hours=st.integers(1, 24 * 9))
    def time_passes(self, hours: int) -> None:
        """The clock jumps; nobody looks."""
        self.now += timedelta(hours=hours)

    @rule(
        error_rate=VERDICTS,
        refusals=VERDICTS,
        complaints=VERDICTS,
        tune_when=BRANCHES,
        tune_keep=BRANCHES,
        tune_note=BRANCHES,
        ship=BRANCHES,
        revert=BRANCHES,
        ask=BRANCHES,
    )
    def the_guard_looks(self, **verdicts: Verdict) -> None:
        """One pass with fresh evidence: an established breach of a started rollout ends it in that very pass."""
        watched = self.state.watched
        self.known = look(self.state, self.now, PLAN, **verdicts)
        self._pass(())
        if watched and Verdict.BREACH in (verdicts["error_rate"], verdicts["refusals"]):
            assert self.state.status in {Status.REVERTED, Status.DISABLED}

    @rule(ask=ASKS, stale=st.booleans(), person=PEOPLE)
    def a_person_asks(self, ask: tuple[Verb, dict[str, object]], stale: bool, person: str | None) -> None:  # noqa: FBT001
        """One pass with a command, on the evidence of the last look; nobody is ever kept from aborting."""
        self.commands += 1
        seen = self.state.revision - 1 if stale else None
        said = {"args": ask[1], "revision": seen, "person": person, "at": self.now}
        self._pass((command(ask[0], self.commands, **said),))
        if ask[0] is Verb.ABORT and not stale:
            assert not self.state.status.live

    @rule(first=PEOPLE, second=PEOPLE)
    def two_people_approve(self, first: str | None, second: str | None) -> None:
        """One after the other, whoever they are known to be."""
        for person in (first, second):
            self.a_person_asks((Verb.APPROVE, {}), stale=False, person=person)

    @rule()
    def someone_kills_the_flag(self) -> None:
        """The switch is the flag's own: no state of the rollout refuses it."""
        self._write(kill(self.state, "oncall", "bad answers", self.now))

    @rule()
    def someone_restores_the_flag(self) -> None:
        """Restoring lifts the switch and nothing else."""
        self._write(restore(self.state, "oncall", "false alarm", self.now))

    def _pass(self, commands: tuple[Command, ...]) -> None:
        step = decide(PLAN, self.state, self.known, commands, self.now)
        assert step == decide(PLAN, self.state, self.known, commands, self.now)
        if step is not None:
            self._check(step, commands)
            self._write(step)

    def _write(self, step: Transition) -> None:
        assert step.after.revision == self.state.revision + 1
        self.journal.append(step)
        self.state = step.after

    def _check(self, step: Transition, commands: tuple[Command, ...]) -> None:
        before, after = step.before, step.after
        stale = any(c.revision is not None and c.revision != before.revision for c in commands)
        if after.exposure > before.exposure:
            assert step.verb in GROWTH
            assert after.phase - before.phase == 1 or step.verb is Verb.RESUME
        if step.verb in {Verb.START, Verb.ADVANCE, Verb.COMPLETE}:
            assert next_open(PLAN, self.now) == self.now
            assert not before.killed
        if step.verb is Verb.ADJUST and step.cause is Cause.SCHEDULE:
            assert next_thaw(PLAN, self.now) == self.now
        if step.cause is Cause.PERSON:
            assert not stale
        if step.verb is Verb.ADVANCE and PLAN.phases[before.phase].approval:
            assert before.approved
        if after.approved and not before.approved:
            assert {"ana@x", "bo@x"} == {person.casefold() for person in after.approved_by}
        if step.cause is Cause.SCHEDULE and step.verb is Verb.HOLD:
            assert before.status is Status.AWAITING_APPROVAL
            assert before.phase == 0
            assert self.now >= before.since + 5 * DAY
        if step.verb is Verb.ADVANCE and PLAN.phases[before.phase].decide:
            assert before.approved or before.decided
        self._check_tree(step)

    def _check_tree(self, step: Transition) -> None:
        """A tree raises by steps within its bound, judges no raise early, undoes what it did and nothing else."""
        before, after, observed = step.before, step.after, step.before.observation
        if observed:
            assert step.verb not in STILL
        if step.verb is Verb.TUNE:
            assert next_thaw(PLAN, self.now) == self.now
            assert before.status in {Status.RUNNING, Status.AWAITING_APPROVAL}
            assert not before.killed
            low, high = (float(str(state.settings["min_confidence"])) for state in (before, after))
            assert {**before.settings, "min_confidence": high} == after.settings
            assert low < high <= 0.9
        if step.verb is Verb.KEEP:
            assert observed is not None
            assert self.now >= observed.since + DAY
            assert replace(before, revision=after.revision, observation=None, noted=(0,)) == after
        if step.verb is Verb.NOTE:
            assert replace(before, revision=after.revision, noted=(0,)) == after
        if step.verb is Verb.REVERT and after.settings != before.settings:
            assert observed is not None
            assert {**before.settings, **observed.undo} == after.settings
        if not after.status.live:
            assert after.observation is None

    @invariant()
    def exposure_is_the_phases_own_or_zero(self) -> None:
        """There is no third value."""
        live = self.state.status.live and self.state.phase >= 0
        expected = PLAN.exposure(self.state.phase) if live else None
        if self.state.status is Status.COMPLETED:
            expected = FULL
        assert self.state.exposure == (expected or 0)

    @invariant()
    def nobody_has_the_candidate_of_a_fallen_or_killed_rollout(self) -> None:
        """Neither the split nor the allow list."""
        flag = served(PLAN, self.state, "digest")
        if self.state.killed or self.state.status in {Status.REVERTED, Status.DISABLED, Status.SCHEDULED}:
            assert all(variant(flag, f"u-{n}", {})[0] is not Variant.CANDIDATE for n in range(20))

    @invariant()
    def revisions_number_the_journal(self) -> None:
        """No transition is lost or doubled."""
        assert [step.after.revision for step in self.journal] == list(range(1, len(self.journal) + 1))
        assert self.state.revision == len(self.journal)


TestRollout = Rollout.TestCase
TestRollout.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
