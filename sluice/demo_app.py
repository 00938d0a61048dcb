"""The demo's application: a program of its own that knows nothing of Sluice but the server's address.

It reads its flag with the OpenFeature SDK and the OFREP provider, one evaluation a visit, and reports what became of
each answer to `/v1/track`. Its hours are those of the server's clock: it lives as far as the clock may go, with the
flags as they are now, and then says how far it has told everything.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from sluice.demo_model import User, Visit, outcomes, users, visits

STEP_VISITS = 250
"""Visits that are lived in one go, between two looks at the clock."""
AT_ONCE = 4
"""Visitors who are served at the same time."""
BATCH = 1_000
IDLE = 0.1
FALLBACK: Mapping[str, bool | str | float] = {"enabled": True, "model": "v2.3", "min_confidence": 0.7}
"""What the application does when it cannot read its flag: what it did before."""
ALL_EVENTS = ("request", "complaint", "error", "shown", "labelled", "correct", "irrelevant")


@dataclass(slots=True)
class Tally:
    """What the application saw, for its own log; no figure of the demo rests on it."""

    visits: int = 0
    fallbacks: int = 0
    met_candidate: set[str] = field(default_factory=set)
    seconds: float = 0.0

    def summary(self) -> dict[str, float]:
        """The tally as numbers."""
        return {
            "visits": self.visits,
            "fallbacks": self.fallbacks,
            "users_who_met_the_candidate": len(self.met_candidate),
            "visits_a_second": round(self.visits / self.seconds) if self.seconds else 0,
        }


class Served(NamedTuple):
    """What the flag said for one visit; `answered` is False where the application fell back on its own defaults."""

    settings: dict[str, Any]
    variant: str | None
    answered: bool


class Application:
    """One feature behind one flag, with its users."""

    def __init__(self, server: str, flag: str, seed: int, a_day: int, reported: frozenset[str]) -> None:
        self.flag = flag
        self.seed = seed
        self.a_day = a_day
        self.reported = reported
        self.people = users(seed)
        self.tally = Tally()
        self.stopped = False
        self.step = timedelta(days=1) * STEP_VISITS / a_day
        self._asking = ThreadPoolExecutor(AT_ONCE)
        self._http = httpx.Client(base_url=server, trust_env=False, timeout=30.0)
        self._flags = open_feature(server)

    def run(self) -> None:
        """Live until told to stop."""
        lived: datetime | None = None
        while not self.stopped:
            clock = self._http.get("/v1/clock").raise_for_status().json()
            now = instant(clock["now"])
            lived = lived or now
            until = lived + self.step
            if clock["until"]:
                until = min(until, instant(clock["until"]))
            if now < lived or until <= lived:
                time.sleep(IDLE)
                continue
            self._live(lived, until)
            lived = until

    def stop(self) -> None:
        """Leave after the present visit; raising in the middle of an evaluation would confuse the SDK."""
        self.stopped = True

    def _live(self, after: datetime, until: datetime) -> None:
        started = time.perf_counter()
        told: list[dict[str, Any]] = []
        lived = list(visits(self.seed, self.a_day, after, until))
        for visit, served in zip(lived, self._asking.map(self._served, lived), strict=True):
            told += self._visit(visit, served)
        if self.stopped:
            return
        for first in range(0, len(told), BATCH):
            self._track(told[first : first + BATCH], f"{self.flag}/{until.isoformat()}/{first}")
        self._http.post("/v1/clock", json={"reported_until": until.isoformat()}).raise_for_status()
        self.tally.seconds += time.perf_counter() - started

    def _visit(self, visit: Visit, served: Served) -> Iterator[dict[str, Any]]:
        user, settings = self.people[visit.user], served.settings
        self.tally.visits += 1
        self.tally.fallbacks += not served.answered
        if served.variant == "candidate":
            self.tally.met_candidate.add(user.key)
        if not settings["enabled"]:
            return
        for event in outcomes(visit, user, settings["model"], settings["min_confidence"]):
            if event in self.reported:
                yield self._event(user, event, visit.at)

    def _served(self, visit: Visit) -> Served:
        user = self.people[visit.user]
        context = EvaluationContext(user.key, dict(user.attributes))
        details = self._flags.get_object_details(self.flag, FALLBACK, context)
        assert isinstance(details.value, dict)  # noqa: S101 - the provider has checked that it is an object
        return Served(details.value, details.variant, details.error_code is None)

    def _event(self, user: User, event: str, at: datetime) -> dict[str, Any]:
        return {
            "flag": self.flag,
            "targetingKey": user.key,
            "event": event,
            "at": at.isoformat(),
            "context": dict(user.attributes),
        }

    def _track(self, batch: list[dict[str, Any]], name: str) -> None:
        answer = self._http.post("/v1/track", json=batch, headers={"Idempotency-Key": name}).raise_for_status().json()
        for refused in answer["refused"][:3]:
            sys.stderr.write(f"refused: {batch[refused['index']]}: {refused['reason']}\n")


def open_feature(server: str) -> OpenFeatureClient:
    """The SDK's client on the OFREP provider; loopback needs no proxy, and looking one up costs a third of the time."""
    provider = OFREPProvider(server)
    provider.session.trust_env = False
    api.set_provider(provider)
    return api.get_client()


def instant(text: str) -> datetime:
    """An instant as the server writes it."""
    return datetime.fromisoformat(text)


def main() -> None:
    """Run until SIGTERM, then print the application's own tally as one line of JSON."""
    options = _options()
    application = Application(options.server, options.flag, options.seed, options.visits, frozenset(options.report))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: application.stop())
    try:
        application.run()
    except httpx.HTTPError as error:
        sys.exit(f"application: {options.server}: {error}")
    finally:
        sys.stdout.write(json.dumps(application.tally.summary()) + "\n")
        sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sluice.demo_app", description=__doc__.splitlines()[0])
    parser.add_argument("server", help="the flag server's address")
    parser.add_argument("--flag", required=True)
    parser.add_argument("--visits", type=int, required=True, help="visits a day")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--report", nargs="+", default=ALL_EVENTS, help="the events that are reported")
    return parser.parse_args()


if __name__ == "__main__":
    main()
