"""A storm in one message."""

from rollout.folding import MOST_LISTED, One, folded


def test_what_asks_for_most_comes_first() -> None:
    """The first line says what to do and how much of what; each notice has a line."""
    line, lines = folded(
        [
            One("a", "started", "Nothing to do: a: 200 users more get v2 (1 %)"),
            One("b", "held", "Decide: b is held at Beta, 10 %: complaints 4.0x control > 3x"),
        ]
    )
    assert line == "Decide: 2 notices at once: 1 started, 1 held"
    assert lines[0].startswith("b: held - Decide: b is held")
    assert len(lines) == 2


def test_many_that_ended_at_once_come_with_the_commands_to_go_on() -> None:
    """A slip with Cancel over twenty runs is one alert, and one paste away from being undone."""
    told = [One(f"r{number}", "aborted", f"Nothing to do: v1 is back ({number})") for number in range(20)]
    line, lines = folded(told)
    assert line == "Nothing to do: 20 notices at once: 20 aborted"
    commands = [one for one in lines if one.startswith("sluice resume ")]
    assert {f"sluice resume r{number} --by YOU --reason WHY" for number in range(20)} == set(commands)


def test_a_flag_that_still_serves_the_candidate_outranks_everything() -> None:
    """The loudest line leads."""
    line, _ = folded([One("a", "held", "Decide: a"), One("b", "reverted", "Look now: b STILL SERVES THE CANDIDATE")])
    assert line.startswith("Look now: ")


def test_a_message_ends_somewhere() -> None:
    """A hundred notices are fifty lines and a number."""
    _, lines = folded([One(f"r{number}", "started", "Nothing to do: x") for number in range(100)])
    assert (MOST_LISTED + 1, "and 50 more") == (len(lines), lines[-1])
