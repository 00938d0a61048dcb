"""Units at their first exposure in a phase: heard of now, and never before in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby, zip_longest
from operator import attrgetter

from sqlalchemy import Connection, text

from rollout.model import FULL, Counts
from state.closing import COHORTS, Counting, Open
from state.given import execute, given, whole

Key = tuple[int, datetime, int]
Stint = Sequence[Open]
Both = tuple[Counts, ...]


def meet(tx: Connection, opened: Iterable[Open], rules: Mapping[int, Counting]) -> dict[Key, Both]:
    """Units met, by bucket and cohort, where there are any; the buckets come in order, each rollout's together.

    A phase that is left is forgotten: who comes back to it is met anew.
    """
    met: dict[Key, Both] = {}
    for stints in _stints(one for one in opened if 0 < one.exposure < FULL):
        tx.execute(_OTHER_PHASES, [{"rollout_id": stint[0].rollout, "phase": stint[0].phase} for stint in stints])
        met |= _met(tx, stints, rules)
    return met


def _stints(opened: Iterable[Open]) -> Iterator[list[Stint]]:
    """Buckets in a row of one phase: the first such row of every rollout, then the second of those that have one."""
    each = [
        [list(stint) for _, stint in groupby(rows, attrgetter("phase"))]
        for _, rows in groupby(opened, attrgetter("rollout"))
    ]
    for together in zip_longest(*each):
        yield [stint for stint in together if stint is not None]


def _met(tx: Connection, stints: Sequence[Stint], rules: Mapping[int, Counting]) -> dict[Key, Both]:
    heard: dict[tuple[int, int], tuple[Open, int]] = {}
    for opened in chain.from_iterable(stints):
        names = _names(rules[opened.rollout])
        for index, cohort in enumerate(COHORTS):
            place = (opened, index)
            for unit in {unit for name in names for unit in opened.events(cohort, name)}:
                heard.setdefault((opened.rollout, unit), place)
    rows = [(rollout, opened.phase, unit) for (rollout, unit), (opened, _) in heard.items()]
    new = execute(tx, _MEET, rows).all() if rows else ()
    return _by_bucket(heard[rollout, unit] for rollout, unit in new)


def _by_bucket(met: Iterable[tuple[Open, int]]) -> dict[Key, Both]:
    units: defaultdict[Key, list[int]] = defaultdict(lambda: [0] * len(COHORTS))
    for opened, cohort in met:
        units[opened.rollout, opened.start, opened.epoch][cohort] += 1
    return {key: tuple(Counts(0, number) for number in numbers) for key, numbers in units.items()}


def _names(counting: Counting) -> frozenset[str]:
    """The events that say that a unit was served: what shares are of, and numbers."""
    return frozenset({share.of for share in counting.shares} | {number.event for number in counting.numbers})


_MEET = given(
    "INSERT INTO met_unit (rollout_id, phase, unit) "  # noqa: S608 - ours
    f"SELECT {whole(0)}, {whole(1)}, {whole(2)} "
    "FROM {rows} WHERE true ON CONFLICT DO NOTHING RETURNING rollout_id, unit"
)
_OTHER_PHASES = text("DELETE FROM met_unit WHERE rollout_id = :rollout_id AND (phase < :phase OR phase > :phase)")
