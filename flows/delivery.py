"""Telling one channel what waits for it: claimed, folded, sent, tried again with back-off, given up loudly.

Every channel has a loop of its own, so that a slow or dead one delays nobody. A crash between sending and writing that
down sends the letter once more, under the same id; everything else is exactly once.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect.settings import PREFECT_API_URL

from flows.channels import Channel, Letter, NotSentError, Retry, Told
from flows.house import House
from flows.reading import Reader
from plans.channels import PREFECT
from rollout.folding import One, folded
from state.deliveries import Message
from state.rows import Notification
from state.tables import DeliveryStatus

logger = logging.getLogger(__name__)

Chance = Callable[[], float]
"""A number from 0 to 1 that nobody can foresee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things wait, in real time.

    What is new waits `gather` for company, and `apart` after the channel's last letter. An attempt that nobody ended
    within `lease` is made again; one that failed after `first`, twice that, and so on to `slowest`, each times 0.5 to
    1.5, or later where the receiver asked for up to `slowest`; `give_up` after the first attempt it is over.
    """

    gather: timedelta = timedelta(seconds=2)
    apart: timedelta = timedelta(seconds=30)
    lease: timedelta = timedelta(seconds=90)
    first: timedelta = timedelta(seconds=5)
    slowest: timedelta = timedelta(hours=1)
    give_up: timedelta = timedelta(hours=24)


PATIENT = Patience()
AT_ONCE = Patience(gather=timedelta(0), apart=timedelta(0))
"""For Prefect's events, of which each stands alone."""


def patience_of(channel: str) -> Patience:
    """The patience with a channel."""
    return AT_ONCE if channel == PREFECT else PATIENT


def tell(
    house: House, name: str, channel: Channel, patience: Patience, chance: Chance = random.random
) -> Letter | None:
    """Make one attempt for one channel, where anything is due; gives the letter that arrived."""
    now = house.clock.real()
    house.store.schedule(name, now, patience.gather, patience.apart)
    message = house.store.claim(name, now, now + patience.lease)
    if message is None:
        return None
    letter = written(house, message, now)
    failure = _attempt(channel, letter)
    if failure is None:
        house.store.end_attempt(message, DeliveryStatus.DELIVERED, house.clock.real())
        return letter
    _failed(house, message, failure, patience, chance)
    return None


def written(house: House, message: Message, now: datetime) -> Letter:
    """A message in words: what to do first; of several notices, all of them by name."""
    reader = Reader(house)
    told = tuple(_told(house, notice, reader) for notice in message.notices)
    number = _letter_id(message)
    if len(told) == 1:
        (one,) = told
        return Letter(number, now, one.line, one.lines, one.links, told)
    line, lines = folded([One(one.notice.rollout, one.notice.event, one.line) for one in told])
    return Letter(number, now, line, lines, (house.front,) if house.front else (), told)


def backoff(attempt: int, patience: Patience, chance: float) -> timedelta:
    """How long to wait after a failed attempt: doubled each time, spread so that channels do not march in step."""
    grown: timedelta = min(patience.slowest, patience.first * 2.0 ** min(attempt - 1, 20))
    return grown * (0.5 + chance)


def _attempt(channel: Channel, letter: Letter) -> NotSentError | None:
    try:
        channel.send(letter)
    except NotSentError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a fault of somebody's library must not end the channel, nor be printed
        return NotSentError(f"failed ({type(error).__name__})")
    return None


def _failed(house: House, message: Message, failure: NotSentError, patience: Patience, chance: Chance) -> None:
    now = house.clock.real()
    names = ", ".join(f"{notice.rollout} {notice.event}" for notice in message.notices)
    if failure.retry is Retry.NEVER or now - message.first >= patience.give_up:
        if house.store.end_attempt(message, DeliveryStatus.GIVEN_UP, now, problem=str(failure)):
            logger.error(
                "GAVE UP telling channel %s of %s: %s; %d attempts", message.channel, names, failure, message.attempt
            )
        return
    asked = min(failure.not_before, patience.slowest)
    due = now + max(backoff(message.attempt, patience, chance()), asked)
    house.store.end_attempt(message, DeliveryStatus.WAITING, due, problem=str(failure))
    logger.warning("channel %s: %s; trying again at %s (%s)", message.channel, failure, f"{due:%H:%M:%S}", names)


def _told(house: House, notice: Notification, reader: Reader) -> Told:
    return Told(notice, reader.checked(notice), tuple(notice.body.splitlines()), tuple(_links(house, notice)))


def _links(house: House, notice: Notification) -> Sequence[str]:
    run = f"{str(PREFECT_API_URL.value()).removesuffix('/api')}/runs/flow-run/{notice.run_id}"
    return [link for link in (house.page(notice.rollout), run if notice.run_id else None) if link]


def _letter_id(message: Message) -> str:
    """Of this message and channel for ever, and of no other store's."""
    first = message.notices[0]
    parts = (message.channel, first.rollout, first.revision, first.event, first.at.isoformat(), message.number)
    return f"msg_{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"
