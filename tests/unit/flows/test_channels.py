"""Every way out of the house, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook as Oracle

from flows.channels import Letter, NotSentError, Retry, Told
from flows.channels.chat import Apprise, shows_markdown
from flows.channels.opening import open_channels
from flows.channels.webhook import Webhook, retry_after, signed
from flows.markdown import chat
from plans.channels import configured
from state.rows import Notification
from tests.unit.flows.receiver import Receiver, receiving

PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
LINE = "Nothing to do: v1 is back for 2,000 users since 03:02"


def letter(line: str = LINE, *lines: str, several: int = 1) -> Letter:
    """A letter about as many reverts."""
    notices = [
        Notification(
            id=n, rollout=f"search-{n}", revision=3, event="reverted", title=line, body="", at=AT, flag="search"
        )
        for n in range(several)
    ]
    told = tuple(Told(one, line, lines, ("http://board/rollouts/search",)) for one in notices)
    return Letter("msg_1", datetime.now(UTC), line, lines, told[0].links, told)


def hook(receiver: Receiver, seconds: float = 5) -> Webhook:
    """A webhook to the receiver."""
    return Webhook(lambda: receiver.url, lambda: PUBLISHED, seconds)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_a_signature_is_the_published_one() -> None:
    """The values that the specification's own libraries are tested with."""
    headers = signed(
        PUBLISHED, "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_webhook_is_verified_by_the_specifications_own_library(receiver: Receiver) -> None:
    """What arrives is signed, says what happened in a stable shape, and is UTF-8 JSON."""
    hook(receiver).send(letter(LINE, "why → because"))
    ((headers, body),) = receiver.got
    payload = Oracle(PUBLISHED).verify(body, headers)
    assert (payload["type"], payload["data"]["text"]) == ("sluice.rollout.reverted", LINE)
    assert payload["data"]["lines"] == ["why → because"]
    assert (headers["webhook-id"], headers["content-type"]) == ("msg_1", "application/json")


def test_several_notices_are_one_request(receiver: Receiver) -> None:
    """Each is told in full."""
    hook(receiver).send(letter(several=3))
    ((_, body),) = receiver.got
    payload = json.loads(body)
    assert payload["type"] == "sluice.rollouts.several"
    assert [event["data"]["rollout"] for event in payload["data"]["events"]] == ["search-0", "search-1", "search-2"]


@pytest.mark.parametrize(
    ("status", "retry"), [(500, Retry.LATER), (302, Retry.LATER), (404, Retry.LATER), (410, Retry.NEVER)]
)
def test_only_a_2xx_is_an_arrival(receiver: Receiver, status: int, retry: Retry) -> None:
    """A redirect is not followed; 410 says that nobody is there any more."""
    receiver.answers = [status]
    with pytest.raises(NotSentError, match=f"answered {status}") as failure:
        hook(receiver).send(letter())
    assert failure.value.retry is retry


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("90", 90), ("Sun, 06 Nov 1994 08:50:37 GMT", 60), ("Sun, 06 Nov 1994 08:00:00 GMT", 0), ("soon", 0), ("-5", 0)],
)
def test_a_time_to_come_again_is_seconds_or_a_date(asked: str, seconds: int) -> None:
    """As RFC 9110 has it; the past and what is neither ask for nothing."""
    now = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert retry_after(asked, now) == timedelta(seconds=seconds)


def test_a_receiver_that_hangs_is_left(receiver: Receiver) -> None:
    """After its time, whatever it has begun to say."""
    receiver.hung.set()
    with pytest.raises(NotSentError, match=r"did not answer within 0\.2 s"):
        hook(receiver, 0.2).send(letter())


def test_apprise_hands_a_letter_to_its_service(receiver: Receiver) -> None:
    """`json://` is Apprise's own webhook; plain text stays as it is."""
    line = "Look: *search* <@U1> is off"
    Apprise(lambda: receiver.url.replace("http:", "json:")).send(letter(line, "complaint_rate 4.0x", "second"))
    ((_, body),) = receiver.got
    payload = json.loads(body)
    assert payload["title"] == line
    assert payload["message"].splitlines() == ["complaint_rate 4.0x", "second", "http://board/rollouts/search"]


def test_what_people_wrote_is_no_markup_in_a_chat(receiver: Receiver) -> None:
    """Neither bold, nor a link, nor a mention; the board's link stays one."""
    address = receiver.url.replace("http:", "json:") + "?format=markdown"
    Apprise(lambda: address).send(letter("Look: **x** [here](http://evil)", "@everyone <!channel> `rm`"))
    message = json.loads(receiver.got[0][1])
    assert message["title"] == r"Look: \*\*x\*\* \[here\]\(http://evil\)"
    assert message["message"].startswith("@\u200beveryone \\<\\!channel\\> \\`rm\\`")
    assert "<http://board/rollouts/search>" in message["message"]


def test_a_service_that_always_draws_markdown_gets_it_escaped() -> None:
    """Apprise takes Discord for plain text; Discord does not."""
    assert [True, True, False] == [shows_markdown(url) for url in ("discord://1/a", "mmosts://host/key", "json://host")]


def test_an_address_that_does_not_work_is_never_told() -> None:
    """Addresses hold tokens."""
    for url in ("slack://hunter2", "nonsense://hunter2", "json://127.0.0.1:9/hunter2"):
        with pytest.raises(NotSentError) as failure:
            Apprise(lambda url=url: url).send(letter())  # type: ignore[misc]
        assert "hunter2" not in str(failure.value)


def test_a_secret_is_read_each_time(receiver: Receiver) -> None:
    """It can be exchanged while everything runs; where it is missing, the place is named."""
    table = {"kind": "webhook", "url": {"variable": "HOOK"}, "secret": {"variable": "HOOK_SECRET"}}
    environment = {"HOOK": receiver.url}
    channel = open_channels(configured({"channels": {"ci": table}}), environment)["ci"]
    with pytest.raises(NotSentError, match="the variable HOOK_SECRET is empty"):
        channel.send(letter())
    environment["HOOK_SECRET"] = PUBLISHED
    channel.send(letter())
    assert len(receiver.got) == 1


def test_a_channel_that_is_set_up_wrongly_says_so() -> None:
    """It fails alone, with what is wrong."""
    opened = open_channels(configured({"channels": {"ci": {"kind": "webhook"}}}))
    with pytest.raises(NotSentError, match=r"is set up wrongly: .*channels\.ci\.url: is missing"):
        opened["ci"].send(letter())


def test_text_for_chats_is_one_line_without_control_characters() -> None:
    """No line of somebody's can pretend to be one of ours."""
    assert chat("a\nb\u202ec") == "a b\ufffdc"
