"""`notify`: who hears of what."""

import pytest

from plans.listeners import Event
from plans.load import Known, from_json, loads, to_json
from tests.unit.plans.test_load import GOOD, problems

KNOWN = Known(channels=frozenset({"log", "slack-ai", "pagerduty"}))
NOTIFY = GOOD + "notify: [log, {slack-ai: [awaiting_approval, held]}, pagerduty]\n"


def test_a_bare_name_hears_of_everything_and_a_filter_of_its_events() -> None:
    """The log is not among them: it hears of everything anyway."""
    plan = loads(NOTIFY, known=KNOWN)
    assert plan.channels(Event.HELD) == ("slack-ai", "pagerduty")
    assert plan.channels(Event.REVERTED) == ("pagerduty",)
    assert loads(GOOD).channels(Event.REVERTED) == ()


def test_a_filter_survives_the_store() -> None:
    """JSON keeps what was written."""
    plan = loads(NOTIFY, known=KNOWN)
    assert from_json(to_json(plan)) == plan


@pytest.mark.parametrize(
    ("notify", "line", "words"),
    [
        (
            "[{slack-ai: [awaiting_aproval]}]",
            20,
            "notify[0].slack-ai[0]: 'awaiting_aproval' does not fit; did you mean 'awaiting_approval'?",
        ),
        ("[slak-ai]", 20, "notify[0]: no channel 'slak-ai' is configured; did you mean 'slack-ai'?"),
        ("[{slak-ai: [held]}]", 20, "no channel 'slak-ai' is configured; did you mean 'slack-ai'?"),
        ("[{log: [held]}]", 20, "the log hears of everything; write `log` alone"),
        ("[slack-ai, {slack-ai: [held]}]", 20, "'slack-ai' is listed 2 times; once is enough"),
        ("[{slack-ai: []}]", 20, "notify[0].slack-ai: is empty; write at least one"),
        ("[7]", 20, "notify[0]: 7 does not fit"),
    ],
)
def test_a_slip_is_told_with_its_line_and_what_was_meant(notify: str, line: int, words: str) -> None:
    """Events and channels alike."""
    told = problems("    - p95(latency) > 800ms\n", f"    - p95(latency) > 800ms\nnotify: {notify}\n", KNOWN)
    assert [one for one in told if words in one and one.startswith(f"{line}:")], told


def test_a_channel_whose_settings_are_wrong_is_refused_with_what_is_wrong() -> None:
    """The plan's author learns what the operator has to put right."""
    known = Known(faulty={"slack-ai": "sluice.toml: channels.slack-ai.url: is missing"})
    (told,) = problems("    - p95(latency) > 800ms\n", "    - p95(latency) > 800ms\nnotify: [slack-ai]\n", known)
    assert told.endswith(
        "notify[0]: the channel 'slack-ai' cannot be used: sluice.toml: channels.slack-ai.url: is missing"
    )
