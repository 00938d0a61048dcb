"""The demo's application as a model: users of stable quality, answers with a confidence, models of known quality.

Pure: what a visit would be like is drawn beforehand from the seed and the hour alone; which model and threshold Sluice
serves only decides what becomes of those draws. So two runs differ in nothing but what was served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from math import exp
from operator import attrgetter
from random import Random

USERS = 2_000
FRIENDLY = frozenset({17, 42})
SPREAD = 0.4
"""Standard deviation of the logarithm of how often a user's questions go wrong."""
BANDS = ((0.5, 0.7, 0.10), (0.7, 0.8, 0.25), (0.8, 1.0, 0.65))
"""Confidences of answers: from, to, share of answers; uniform inside a band."""
HOUR = timedelta(hours=1)
HOLIDAYS = (date(2026, 12, 19), date(2027, 1, 4))
"""Both included: the days that the example plan is frozen for, on which a quarter of the visits come."""
HOLIDAY_SHARE = 4


@dataclass(frozen=True, slots=True)
class Quality:
    """How often a model fails a user of average luck; `irrelevant` has one rate for each of BANDS."""

    error: float
    complaint: float
    wrong: float
    irrelevant: tuple[float, float, float]


MODELS: Mapping[str, Quality] = {
    "v2.3": Quality(error=0.02, complaint=0.002, wrong=0.10, irrelevant=(0.15, 0.070, 0.009)),
    "v2.4": Quality(error=0.02, complaint=0.002, wrong=0.08, irrelevant=(0.15, 0.060, 0.005)),
    "v2.4-broken": Quality(error=0.06, complaint=0.002, wrong=0.08, irrelevant=(0.15, 0.060, 0.005)),
}


@dataclass(frozen=True, slots=True)
class User:
    """One user: the id, what the application knows about them, and their own luck (mean 1 over all users)."""

    key: str
    attributes: Mapping[str, str]
    luck: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One question of one user with everything that chance decides, drawn before any flag is read."""

    at: datetime
    user: int
    confidence: float
    error: float
    complaint: float
    wrong: float
    irrelevant: float


def users(seed: int, count: int = USERS) -> tuple[User, ...]:
    """The application's users user-1, user-2 …: the first 20 are colleagues, every 25th of the others is a VIP."""
    chance = Random(f"{seed}/users")  # noqa: S311 - a model of chance, not a secret
    luck = [exp(chance.gauss(0, SPREAD)) for _ in range(count)]
    mean = sum(luck) / count
    return tuple(User(_key(i), _attributes(i), luck[i - 1] / mean) for i in range(1, count + 1))


def visits(seed: int, a_day: int, after: datetime, until: datetime, people: int = USERS) -> Iterator[Visit]:
    """The visits of (after, until] in order; the same whichever way a span is cut up."""
    hour = after.replace(minute=0, second=0, microsecond=0)
    while hour <= until:
        yield from (visit for visit in hour_of_visits(seed, a_day, hour, people) if after < visit.at <= until)
        hour += HOUR


@lru_cache(maxsize=4)
def hour_of_visits(seed: int, a_day: int, hour: datetime, people: int = USERS) -> tuple[Visit, ...]:
    """All visits of the hour that begins at `hour`, in order; `a_day` spreads evenly over the day's hours."""
    if HOLIDAYS[0] <= hour.date() <= HOLIDAYS[1]:
        a_day //= HOLIDAY_SHARE
    chance = Random(f"{seed}/{hour:%Y-%m-%dT%H}")  # noqa: S311 - a model of chance, not a secret
    today = a_day * (hour.hour + 1) // 24 - a_day * hour.hour // 24
    return tuple(sorted((_draw(chance, hour, people) for _ in range(today)), key=attrgetter("at")))


def outcomes(visit: Visit, user: User, model: str, min_confidence: float) -> tuple[str, ...]:
    """What the application reports of a visit: `request`, and what became of it.

    An answer under the threshold is not shown, and what is not shown can be neither labelled nor irrelevant.
    """
    quality = MODELS[model]
    told = ["request"]
    if visit.complaint < quality.complaint * user.luck:
        told.append("complaint")
    if visit.error < quality.error * user.luck:
        told.append("error")
    elif visit.confidence >= min_confidence:
        told += ["shown", "labelled", *_judged(visit, user, quality)]
    return tuple(told)


def irrelevant_rate(model: str, min_confidence: float) -> float:
    """Irrelevant answers per answer shown at a threshold, by definition: 2 % at 0.7 and 0.5 % at 0.8 for v2.4."""
    shares = [share * _over(low, high, min_confidence) for low, high, share in BANDS]
    bad = sum(share * rate for share, rate in zip(shares, MODELS[model].irrelevant, strict=True))
    return bad / sum(shares)


def _judged(visit: Visit, user: User, quality: Quality) -> Iterator[str]:
    if visit.wrong >= quality.wrong * user.luck:
        yield "correct"
    if visit.irrelevant < quality.irrelevant[_band(visit.confidence)] * user.luck:
        yield "irrelevant"


def _key(number: int) -> str:
    """Two of them are the friendly customers whom the example plan names."""
    return f"u-{number}" if number in FRIENDLY else f"user-{number}"


def _attributes(number: int) -> Mapping[str, str]:
    colleague = number <= 20  # noqa: PLR2004 - stated in the docstring of users
    vip = number % 25 == 0 and not colleague
    return {
        "email": f"{_key(number)}@{'example.com' if colleague else 'mail.test'}",
        "tier": "vip" if vip else "standard",
    }


def _draw(chance: Random, hour: datetime, people: int) -> Visit:
    return Visit(
        at=hour + timedelta(milliseconds=chance.randrange(3_600_000)),
        user=chance.randrange(people),
        confidence=_confidence(chance.random()),
        error=chance.random(),
        complaint=chance.random(),
        wrong=chance.random(),
        irrelevant=chance.random(),
    )


def _confidence(share: float) -> float:
    """The confidence below which a share of all answers lie: the inverse of the distribution of BANDS."""
    for low, high, width in BANDS:
        if share < width:
            return low + (high - low) * share / width
        share -= width
    return BANDS[-1][1]


def _band(confidence: float) -> int:
    return sum(confidence >= low for low, _, _ in BANDS[1:])


def _over(low: float, high: float, threshold: float) -> float:
    return min(1.0, max(0.0, (high - threshold) / (high - low)))
