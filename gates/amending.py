"""What an amended plan does to the gate's memory: no sequence of amendments may spend more than the promise holds.

A criterion's evidence E is a non-negative supermartingale while the candidate is healthy, and breaches at 1/a. By
optional stopping P(breached so far) + a·E(now) is at most a in expectation: a·E is the part of its share that is not
spent. Whoever gives up a test may spend that part on a fresh one, which then holds with probability one minus it given
all that was seen. So the sum over all tests of share times evidence never grows by an amendment, and Ville's inequality
holds for the whole as it did before (Howard, Ramdas, McAuliffe & Sekhon 2021, arXiv 1810.08240, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gates.consume import frozen_where_needed
from gates.memory import Known, Memory, Record, fresh
from gates.rules import Begins, Cap, Gate, Rule
from gates.streaks import Streak
from plans.schema import Then
from rollout.model import FULL, Role

Pair = tuple[Rule, Record]
PROMISED = frozenset({Role.STOP, Role.TUNE_WHEN, Role.REVERT})


def amended(old: Gate, new: Gate, memory: Memory) -> Memory:
    """The memory for the new gate: unchanged rules go on, changed ones begin afresh on what was left unspent."""
    pairs = tuple(zip(old.rules, memory.records, strict=True))
    before = {_identity(rule): (rule, record) for rule, record in pairs}
    after = {_identity(rule) for rule in new.rules}
    begun = sum(_promised(rule) and _identity(rule) not in before for rule in new.rules)
    left = memory.spare + sum(_freed(pair, new, goes_on=_identity(pair[0]) in after) for pair in pairs)
    records = tuple(
        [
            _carried(rule, *before[_identity(rule)])
            if _identity(rule) in before
            else _begun(rule, _known(rule, pairs, memory), left / begun if begun else 0.0, memory)
            for rule in new.rules
        ]
    )
    return memory._replace(records=records, spare=0.0 if begun else left)


def at_stake(gate: Gate, memory: Memory) -> float:
    """The part of the promise that is not spent: over all tests share times evidence, and what no test has."""
    pairs = zip(gate.rules, memory.records, strict=True)
    return memory.spare + sum(record.trial.found / rule.threshold for rule, record in pairs if _promised(rule))


def _promised(rule: Rule) -> bool:
    """Whether a breach of the rule would be a revert that the promise counts."""
    lasts = rule.role is not Role.STOP or rule.lasting
    return rule.role in PROMISED and lasts and not isinstance(rule.tests, Streak | Cap)


def _identity(rule: Rule) -> Rule:
    """What of a rule its evidence depends on: not the level it must reach, and not what a breach then does."""
    kept = rule.threshold if isinstance(rule.tests, Streak | Cap) else 0.0
    place = 0 if rule.role is Role.STOP else rule.place
    return replace(rule, threshold=kept, then=Then.NOTIFY, place=place, min_samples=_looks_at(rule), patience=0.0)


def _looks_at(rule: Rule) -> int:
    """Samples before which no look counts; sequential evidence depends on none."""
    return rule.min_samples if isinstance(rule.tests, Streak) else 0


def _freed(pair: Pair, new: Gate, *, goes_on: bool) -> float:
    """What a test gives up of its unspent share: all of it where it ends, else the part by which shares shrink."""
    rule, record = pair
    if not _promised(rule):
        return 0.0
    unspent = min(record.trial.found, record.trial.stake) / rule.threshold
    if not goes_on:
        return unspent
    threshold = next(one.threshold for one in new.rules if _identity(one) == _identity(rule))
    return unspent * (1 - min(1.0, rule.threshold / threshold))


def _carried(rule: Rule, was: Rule, record: Record) -> Record:
    """A rule that goes on: its evidence is told on the new level, so that nothing comes nearer to a breach by that."""
    if isinstance(rule.tests, Streak | Cap) or rule.threshold == was.threshold:
        return record
    trial, level = record.trial, rule.threshold / was.threshold
    by = min(1.0, level) if _promised(rule) else level
    peak = trial.peak * by if trial.peak < was.threshold else max(trial.peak * by, rule.threshold)
    return record._replace(trial=trial._replace(stake=trial.stake * by, found=trial.found * by, peak=peak))


def _begun(rule: Rule, known: Known, share: float, memory: Memory) -> Record:
    """A fresh rule: without evidence, and where the promise counts it, with a share of what is unspent."""
    if not _promised(rule):
        return Record(fresh(rule), known)
    wealth = min(1.0, share * rule.threshold)
    unentered = memory.lasting.total if rule.begins is Begins.ANY_TIME else 1.0
    return Record(fresh(rule)._replace(stake=wealth / unentered, found=wealth, peak=wealth), known)


def _known(rule: Rule, pairs: Sequence[Pair], memory: Memory) -> Known:
    """What is known of the same counts already: control's past and who was heard outlive the rules that asked."""
    alike = (record.known for other, record in pairs if _counts(other) == _counts(rule))
    known = next(alike, Known())._replace(frozen=None)
    return frozen_where_needed(rule, known) if memory.exposure == FULL else known


def _counts(rule: Rule) -> tuple[str, ...]:
    return rule.key, rule.source, rule.of, rule.named, rule.reads
