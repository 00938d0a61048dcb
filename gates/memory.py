"""What the gate remembers of one rollout between two looks: immutable, a few hundred bytes, exact through JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from gates.dispersion import Noise
from gates.rules import Begins, Cap, Gate, Reads, Rule
from gates.sequential import Masses, Rates, Ratios, Unspent
from gates.streaks import Streak
from rollout.model import NOT_STARTED

FORMAT = 1


class Trial(NamedTuple):
    """One criterion's evidence, which a new promise or new settings start afresh.

    `masses` are the e-process of a breach by alternative, `proof` that of a pass (empty where none is asked). Where
    looks are counted `masses` holds those, where a number is estimated its sums and squares, treatment's first, and
    where sums have a cap the day (its ordinal) and what treatment reached on it. `found` is the evidence of a breach
    now and `peak` the highest so far: past the threshold it is there to stay. Counts are those of both cohorts since
    the evidence began, without the `muted` buckets, which lay inside incidents. `stake` is what the evidence is
    multiplied by: 1, or of a criterion that an amendment began, what it was given of the promise.
    """

    masses: Masses
    proof: Masses
    found: float = 1.0
    peak: float = 1.0
    treatment_bad: int = 0
    treatment_total: int = 0
    control_bad: int = 0
    control_total: int = 0
    stake: float = 1.0
    muted: int = 0


class Known(NamedTuple):
    """What outlives a fresh start: control's whole past, and who was heard since the phase began.

    `frozen` bounds control's rate, in the metric's own terms, where it is not measured beside treatment. `samples` are
    treatment's, the instants of the last `of` events (epoch seconds) either cohort's, in the present phase. `proven`
    says that the event which the metric names has been seen. `past_sum` and `past_squares` are those of a number,
    `noise` is control's from before the rollout, `power` the inverse of the dispersion found in it, None where unknown.
    """

    past_bad: int = 0
    past_total: int = 0
    samples: int = 0
    frozen: tuple[float, float] | None = None
    treatment_heard: float | None = None
    control_heard: float | None = None
    proven: bool = False
    past_sum: float = 0.0
    past_squares: float = 0.0
    noise: Noise = Noise()
    power: float | None = None


class Met(NamedTuple):
    """Units at their first exposure in the present phase, and the strongest evidence that their split is wrong."""

    treatment: int = 0
    control: int = 0
    mismatch: float = 1.0


class Record(NamedTuple):
    """One criterion's memory."""

    trial: Trial
    known: Known


class Memory(NamedTuple):
    """One rollout's memory: `cursor` is the last bucket consumed, (start in epoch seconds, exposure epoch).

    `lasting` is the onset prior of criteria that revert or disable, `passing` that of criteria that hold or notify.
    `met` begins afresh with every phase, promise and change of settings. `spare` is the part of the promise that no
    rule has, after an amendment that took rules away.
    """

    cursor: tuple[float, int] | None
    promise: int
    settings_epoch: int
    phase: int
    exposure: int
    lasting: Unspent
    passing: Unspent
    records: tuple[Record, ...]
    met: Met = Met()
    spare: float = 0.0

    @property
    def after(self) -> tuple[datetime, int] | None:
        """The last bucket consumed, as (start, epoch), from which a source continues; None at the beginning."""
        return None if self.cursor is None else (datetime.fromtimestamp(self.cursor[0], UTC), self.cursor[1])

    def to_json(self) -> str:
        """Compact JSON lists; `from_json` gives an equal value back."""
        return orjson.dumps((FORMAT, *self), default=tuple).decode()

    @classmethod
    def from_json(cls, text: str) -> Memory:
        """The memory that `to_json` wrote; raises ValueError on another format."""
        version, cursor, promise, settings_epoch, phase, exposure, lasting, passing, records, met, *spare = (
            orjson.loads(text)
        )
        if version != FORMAT:
            raise ValueError(f"gate memory of format {version} cannot be read by this version, which writes {FORMAT}")
        return cls(
            cursor=None if cursor is None else (cursor[0], cursor[1]),
            promise=promise,
            settings_epoch=settings_epoch,
            phase=phase,
            exposure=exposure,
            lasting=Unspent(lasting[0], lasting[1], tuple(lasting[2])),
            passing=Unspent(passing[0], passing[1], tuple(passing[2])),
            records=tuple([_record(trial, known) for trial, known in records]),
            met=Met(*met),
            spare=spare[0] if spare else 0.0,
        )


def blank(gate: Gate) -> Memory:
    """The memory of a rollout nothing is known of."""
    records = tuple([Record(fresh(rule), Known()) for rule in gate.rules])
    return Memory(None, 0, 0, NOT_STARTED, 0, Unspent(), Unspent(), records, Met(), gate.spare)


def fresh(rule: Rule) -> Trial:
    """Evidence before its first bucket."""
    tests = rule.tests
    if isinstance(tests, Ratios | Rates):
        mass = 1.0 if rule.begins is Begins.AT_ONCE else 0.0
        return Trial((mass,) * len(tests.breach.weights), (1.0,) * len(tests.proof.weights) if tests.proof else ())
    if isinstance(tests, Streak | Cap):
        return Trial((), (), 0.0, 0.0)
    return Trial((0.0,) * 4 if rule.reads is Reads.VALUE else (), ())


def _record(trial: list[Any], known: list[Any]) -> Record:
    masses, proof, *numbers = trial
    past_bad, past_total, samples, frozen, *rest, noise, power = known
    bounds = None if frozen is None else (frozen[0], frozen[1])
    heard = Known._make((past_bad, past_total, samples, bounds, *rest, Noise(*noise), power))
    return Record(Trial(tuple(masses), tuple(proof), *numbers), heard)
