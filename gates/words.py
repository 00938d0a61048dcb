"""What a verdict rests on, in words: numbers first, then the rule."""

from __future__ import annotations

from gates.consume import proof
from gates.memory import Known, Record
from gates.rules import Against, Reads, Rule, Side
from rollout.counting import EVENTS
from rollout.model import Cohort, Verdict

MINUTE, HOUR, DAY = 60, 3600, 86_400
SHARE_OF_NOTE = 0.001
MANY, SOME = 1e6, 10
PROOF_NEEDED = 10.0  # 1/β with β = 0.1


def arithmetic(rule: Rule, record: Record, verdict: Verdict, seen: float | None, *, fixed: bool) -> str:
    """The counts, then the evidence, then the rule: `… = 6.3x; evidence 214 > 60; breach of "> 2x control"`."""
    trial = record.trial
    match verdict:
        case Verdict.BREACH:
            rest = f"evidence {number(trial.peak)} > {rule.threshold:g}; breach of"
        case Verdict.PASS:
            rest = f"proof {number(proof(rule, trial))} of {PROOF_NEEDED:g}; pass of"
        case _:
            rest = f"evidence {number(trial.found)} of {rule.threshold:g}; insufficient for"
    return f'{comparison(rule, record, seen, fixed=fixed)}; {rest} "{rule.wanted}"'


def silent(rule: Rule, cohort: Cohort, silence: float | None) -> str:
    """No data: how long nothing came from a cohort (None: ever since the phase began), and how long it may."""
    since = "since the phase began" if silence is None else f"for {duration(silence)}, limit {duration(rule.patience)}"
    return f'{rule.metric}: {_none(rule, rule.of)} from {cohort} {since}; no_data for "{rule.wanted}"'


def uncontrolled(rule: Rule) -> str:
    """No data: nothing to compare with, now or ever before."""
    return f'{rule.metric}: control was never counted and has no baseline; no_data for "{rule.wanted}"'


def never_seen(rule: Rule) -> str:
    """Unproven: the event or query that the metric names has not been seen, or counted anything, for this flag."""
    never = "has ever been seen" if rule.source == EVENTS else "has ever been counted"
    return f'{rule.metric}: {_none(rule, rule.named)} {never} for this flag; unproven for "{rule.wanted}"'


def with_problem(reason: str, problem: str | None) -> str:
    """What a verdict rests on, and what its source could not tell just now."""
    return f"{reason}; {problem}" if problem else reason


def waiting(rule: Rule, why: str) -> str:
    """Nothing to judge, and why."""
    return f'{rule.metric}: {why}; insufficient for "{rule.wanted}"'


def comparison(rule: Rule, record: Record, seen: float | None, *, fixed: bool) -> str:
    """The counts: `error_rate treatment 31/512 (6.1 %) vs control 44/4,608 (1.0 %) = 6.3x`; never divided by zero."""
    trial = record.trial
    lead = f"{rule.metric} treatment {_counts(rule, trial.treatment_bad, trial.treatment_total)}"
    if rule.against is Against.NOTHING:
        return lead
    if rule.needs_control and not fixed:
        reference = f"control {_counts(rule, trial.control_bad, trial.control_total)}"
    else:
        reference = _fixed_reference(rule, record)
    return f"{lead} vs {reference}" if seen is None else f"{lead} vs {reference} = {seen:.1f}x"


def seen(rule: Rule, record: Record, *, fixed: bool) -> float | None:
    """What was seen in the criterion's own terms, a ratio or a share; None where it would take a division by zero."""
    trial = record.trial
    rate = _rate(rule, trial.treatment_bad, trial.treatment_total)
    if rate is None or rule.against is Against.NOTHING:
        return rate
    if rule.needs_control and not fixed:
        other = _rate(rule, trial.control_bad, trial.control_total)
    else:
        other = _fixed_rate(rule, record.known)
    return rate / other if other else None


def duration(seconds: float) -> str:
    """A length of time in one unit: `45 s`, `90 min`, `13 h`, `3 days`."""
    for size, name, least in ((DAY, "days", 2 * DAY), (HOUR, "h", 2 * HOUR), (MINUTE, "min", 2 * MINUTE)):
        if seconds >= least:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def number(value: float) -> str:
    """Evidence with as many digits as mean something: `0.8`, `214`, `1.3e+08`."""
    if value >= MANY:
        return f"{value:.1e}"
    return f"{value:,.0f}" if value >= SOME else f"{value:.1f}"


def percent(share: float) -> str:
    """A share as people write it: `6.1 %`, `0.043 %`."""
    return f"{share * 100:.2g} %" if 0 < share < SHARE_OF_NOTE else f"{share * 100:.1f} %"


def _none(rule: Rule, name: str) -> str:
    return f"no `{name}` event" if rule.source == EVENTS else f"nothing of `{name}`"


def _fixed_reference(rule: Rule, record: Record) -> str:
    """What treatment is compared with where that is not the concurrent control, and why."""
    known = record.known
    rate = percent(_fixed_rate(rule, known))
    if not rule.needs_control:
        return f"baseline {rate}"
    if not known.past_total:
        return f"baseline {rate} in place of control"
    return f"control frozen at {rate} (95 % bound of {_counts(rule, known.past_bad, known.past_total)})"


def _fixed_rate(rule: Rule, known: Known) -> float:
    if rule.needs_control and known.frozen is not None:
        low, high = known.frozen
        return high if rule.side is Side.ABOVE else low
    return rule.baseline or 0.0


def _counts(rule: Rule, bad: int, total: int) -> str:
    if not total:
        return "0/0"
    units = bad if rule.reads is Reads.BAD else total - bad
    return f"{units:,}/{total:,} ({percent(units / total)})"


def _rate(rule: Rule, bad: int, total: int) -> float | None:
    return (bad if rule.reads is Reads.BAD else total - bad) / total if total else None
