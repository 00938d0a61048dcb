"""From a transition to a channel: once each, in the end, whatever fails, and loudly where it does not."""

from __future__ import annotations

import io
import logging
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.advance import advance
from flows.channels import Letter, NotSentError, Retry
from flows.channels.webhook import Webhook
from flows.delivery import AT_ONCE, Patience, backoff, tell
from flows.outbox import FILE, LogChannel, deliver
from flows.reminders import remind
from flows.supervise import stranded_turn
from plans.channels import PREFECT, Reminders
from plans.load import Known
from rollout.model import Status, Verb
from state import step
from state.tables import deliveries
from tests.unit.flows.receiver import Receiver, flag_server, receiving
from tests.unit.flows.world import PLAN, World
from tests.waiting import until

HOUR = timedelta(hours=1)
PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Recorder:
    """A channel that keeps what it got, and fails as often as it is told to."""

    failures: int = 0
    retry: Retry = Retry.LATER
    got: list[Letter] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        """Take it, or not."""
        if self.failures:
            self.failures -= 1
            raise NotSentError("was not in the mood", self.retry)
        self.got.append(letter)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def begun(world: World, *names: str, notify: str = "[log, slack]", approval: str = "") -> None:
    """Rollouts in their first phase, of which `slack` hears."""
    known = Known(channels=frozenset({"log", "slack", "pager"}))
    for name in names:
        text = f"{PLAN.format(name=name, approval=approval)}notify: {notify}\n"
        step.submit(world.house.store, text, "test", world.at, known=known)
        advance(world.house.store, world.house.clock, name, world.house.collect)


def reverted(world: World, *names: str) -> None:
    """Their next look finds that half of the treated fail."""
    world.bad |= set(names)
    world.pass_time(timedelta(minutes=5))
    for name in names:
        advance(world.house.store, world.house.clock, name, world.house.collect)
        assert world.rollout(name).state.status is Status.REVERTED


def told(world: World, channel: Recorder, patience: Patience = AT_ONCE) -> Letter | None:
    """One attempt for `slack`, without chance."""
    return tell(world.house, "slack", channel, patience, lambda: 0.5)


def test_a_transition_is_told_once(world: World) -> None:
    """The line, the card and the letter's id; then nothing, however often it is asked."""
    begun(world, "search")
    slack = Recorder()
    assert told(world, slack) is not None
    assert [told(world, slack) for _ in range(3)] == [None, None, None]
    (letter,) = slack.got
    assert letter.line == "Nothing to do: search: 100 users more get v2 (10 %)"
    assert letter.lines[0] == "search: started"


def test_a_filtered_channel_hears_of_nothing_else(world: World) -> None:
    """`{slack: [reverted]}` is silent at the start, and told of the revert."""
    begun(world, "search", notify="[log, {slack: [reverted]}]")
    slack = Recorder()
    assert told(world, slack) is None
    reverted(world, "search")
    letter = told(world, slack)
    assert letter is not None
    assert letter.line.startswith("Nothing to do: v1 is back for 100 users since ")
    assert letter.lines[1].startswith("error_rate treatment 510/2,000 (25.5 %) vs control 40/2,000 (2.0 %) = 12.8x; ")


def test_a_failed_letter_is_tried_again_under_the_same_id(world: World) -> None:
    """After a back-off that doubles: a receiver can tell a repetition from news."""
    with receiving() as receiver:
        begun(world, "search")
        receiver.answers = [500, 503]
        waits = [hooked(world, receiver) for _ in range(3)]
    assert waits == [timedelta(seconds=5), timedelta(seconds=10), None]
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert (3, 1) == (len(ids), len(set(ids)))
    assert receiver.got[0][1] == receiver.got[2][1]


def test_a_receiver_that_asks_for_time_gets_up_to_an_hour(world: World) -> None:
    """Retry-After counts where it is later than the back-off; a receiver cannot put an alert off for days."""
    with receiving() as receiver:
        begun(world, "search")
        receiver.answers = [429, 503, 503, 204]
        waits = []
        for asked in ("120", "1", "86400", ""):
            receiver.retry_after = asked
            waits.append(hooked(world, receiver))
    assert waits == [timedelta(minutes=2), timedelta(seconds=10), HOUR, None]


def hooked(world: World, receiver: Receiver) -> timedelta | None:
    """Make one attempt over HTTP and wait until the next is due; how long that was, None where it arrived."""
    channel = Webhook(lambda: receiver.url, lambda: PUBLISHED)
    if tell(world.house, "slack", channel, AT_ONCE, lambda: 0.5) is not None:
        return None
    with world.house.store.reading() as tx:
        due = tx.execute(select(deliveries.c.due_at).where(deliveries.c.channel == "slack")).scalar_one()
    waited: timedelta = due - world.at
    world.pass_time(waited)
    return waited


def test_a_crash_between_sending_and_writing_it_down_sends_it_again_with_the_same_id(world: World) -> None:
    """At least once, said honestly: the receiver drops the second by its id."""
    begun(world, "search")

    class Crash(Recorder):
        """Takes the letter, and its process dies before it can say so."""

        def send(self, letter: Letter) -> None:
            """Take it, and die as a killed process does."""
            self.got.append(letter)
            raise KeyboardInterrupt

    crashing, slack = Crash(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        told(world, crashing)
    assert told(world, slack) is None
    world.pass_time(AT_ONCE.lease)
    assert told(world, slack) is not None
    assert crashing.got[0].id == slack.got[0].id
    assert told(world, slack) is None


def test_it_is_given_up_loudly_after_a_day(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An error in the log, a number for /metrics, and a line on the rollout's status."""
    begun(world, "search")
    slack = Recorder(failures=1_000)
    with caplog.at_level(logging.ERROR, "flows.delivery"):
        for _ in range(8):
            told(world, slack)
            world.pass_time(6 * HOUR)
    assert "GAVE UP telling channel slack of search started: was not in the mood" in caplog.text
    assert caplog.text.count("GAVE UP") == 1
    assert world.house.store.problems("search") == (("started", "slack", "was not in the mood"),)
    assert ("slack", 0, 1) in [(one.channel, one.waiting, one.given_up) for one in world.house.store.backlog()]


def test_an_address_that_is_gone_is_given_up_at_once(world: World) -> None:
    """410 is never tried again."""
    begun(world, "search")
    told(world, Recorder(failures=1, retry=Retry.NEVER))
    assert [one[1] for one in world.house.store.problems("search")] == ["slack"]


def test_a_fault_of_a_library_is_a_failed_attempt_and_is_not_printed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Its words may hold an address."""
    begun(world, "search")

    class Broken(Recorder):
        """A channel with a fault."""

        def send(self, letter: Letter) -> None:
            """Fail with something secret."""
            raise RuntimeError(f"https://hooks.example.com/hunter2/{letter.id}")

    assert told(world, Broken()) is None
    assert "failed (RuntimeError)" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_channel_that_hangs_delays_nobody(world: World, tmp_path: Path) -> None:
    """While one waits for an answer, the log and another channel are told."""
    begun(world, "search", notify="[log, slack, pager]")
    with receiving() as receiver:
        receiver.hung.set()
        hanging = Webhook(lambda: receiver.url, lambda: PUBLISHED, seconds=30)
        stuck = threading.Thread(target=tell, args=(world.house, "pager", hanging, AT_ONCE), daemon=True)
        stuck.start()
        until(lambda: receiver.got, "the pager has its letter and does not answer")
        slack = Recorder()
        assert told(world, slack) is not None
        assert len(deliver(world.house, LogChannel(tmp_path / FILE, io.StringIO()))) == 1
        assert stuck.is_alive()
        receiver.over.set()
        stuck.join(10)


def test_a_storm_is_one_letter_with_the_commands_to_resume(world: World) -> None:
    """Twelve reverts at once: one alert, which names them all."""
    names = [f"r{number}" for number in range(12)]
    begun(world, *names, notify="[log, {slack: [reverted]}]")
    reverted(world, *names)
    slack, patience = Recorder(), Patience(gather=timedelta(seconds=2))
    assert told(world, slack, patience) is None
    world.pass_time(timedelta(seconds=2))
    letter = told(world, slack, patience)
    assert letter is not None
    assert letter.line == "Nothing to do: 12 notices at once: 12 reverted"
    assert [line for line in letter.lines if line == "sluice resume r7 --by YOU --reason WHY"]
    assert told(world, slack, patience) is None


def test_what_waits_for_a_channel_that_is_gone_is_given_up_in_time(world: World) -> None:
    """The operator took it out of sluice.toml; what was on its way is seen."""
    begun(world, "search")
    for _ in range(8):
        stranded_turn(world.house, {PREFECT})
        world.pass_time(6 * HOUR)
    assert world.house.store.problems("search") == (("started", "slack", world.house.store.problems("search")[0][2]),)
    assert "is not configured any more" in world.house.store.problems("search")[0][2]


def test_an_unanswered_approval_is_told_of_again_once_a_day(world: World) -> None:
    """After a day and then daily, each once, however often it is looked; an answer ends it."""
    begun(world, "search", approval=", approval: required", notify="[log, {slack: [awaiting_approval]}]")
    world.pass_time(HOUR)
    advance(world.house.store, world.house.clock, "search", world.house.collect)
    assert world.rollout("search").state.status is Status.AWAITING_APPROVAL
    slack, counts = Recorder(), []
    for _ in range(6):
        counts.append(len([name for _ in range(3) for name in remind(world.house, Reminders())]))
        told(world, slack)
        world.pass_time(12 * HOUR)
    assert counts == [0, 0, 1, 0, 1, 0]
    first, second, third = (letter.line for letter in slack.got)
    assert first == "Decide: may search go from Alpha to Beta, 50 %?"
    assert second == "Decide: may search go from Alpha to Beta, 50 %? asked 1 d ago"
    assert third.endswith("asked 2 d ago")


def test_back_off_grows_to_an_hour_and_is_spread() -> None:
    """Doubled each time, from half to one and a half of that."""
    patience = Patience()
    assert [backoff(n, patience, 0.5).total_seconds() for n in (1, 2, 3, 30)] == [5, 10, 20, 3600]
    assert [backoff(1, patience, chance).total_seconds() for chance in (0, 1)] == [2.5, 7.5]


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("stable", ", checked by reading the flag"),
        ("off", ", checked by reading the flag"),
        ("candidate", "Look now: search STILL SERVES THE CANDIDATE, though this was told: Nothing to do: v1 is back"),
        (None, " (not checked: the flag server gave no answer)"),
    ],
)
def test_an_alert_says_what_the_flag_really_serves(world: World, variant: str | None, words: str) -> None:
    """Read at delivery, as an application reads it, by a unit that had the candidate before anybody else."""
    begun(world, "search", notify="[log, {slack: [reverted]}]")
    reverted(world, "search")
    with flag_server(variant) as (board, asked):
        house = replace(world.house, board=board, public="https://sluice.example.com")
        slack = Recorder()
        letter = tell(house, "slack", slack, AT_ONCE)
    assert letter is not None
    assert words in letter.line
    assert asked[0] == "/ofrep/v1/evaluate/flags/search"
    assert letter.links == ("https://sluice.example.com/rollouts/search",)


@pytest.mark.parametrize(
    ("variant", "words"),
    [("off", ", checked by reading the flag"), ("stable", "; it is on again since, and stable is served")],
)
def test_stable_is_no_proof_that_a_flag_is_off(world: World, variant: str, words: str) -> None:
    """Killed, and restored before the alert went out: it says so instead of `checked`."""
    begun(world, "search", notify="[log, {slack: [killed]}]")
    world.house.store.kill("search", "oncall", "wrong answers", world.at)
    with flag_server(variant) as (board, _):
        letter = tell(replace(world.house, board=board), "slack", Recorder(), AT_ONCE)
    assert letter is not None
    assert letter.line.endswith(words)


def test_a_flag_that_has_moved_on_is_no_alarm(world: World) -> None:
    """Resumed before the alert went out: the candidate is meant to be served."""
    begun(world, "search", notify="[log, {slack: [reverted]}]")
    reverted(world, "search")
    world.bad.clear()
    step.command(world.house.store, "search", Verb.RESUME, "oncall", "false alarm", world.at)
    with flag_server("candidate") as (board, _):
        letter = tell(replace(world.house, board=board), "slack", Recorder(), AT_ONCE)
    assert letter is not None
    assert letter.line.endswith("; it has moved on since, and the candidate is served again")
