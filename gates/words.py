"""What a verdict rests on, in words: numbers first, then the rule."""

from __future__ import annotations

from typing import NamedTuple

from gates.estimates import Interval, fixed_level, margin_proof
from gates.memory import Known, Met, Record
from gates.rules import PROOF_NEEDED, Cap, Compares, Margin, Reads, Rule
from gates.sequential import E_PROCESSES
from gates.splits import THRESHOLD
from gates.streaks import Looks, Streak
from gates.trials import proof
from rollout.counting import EVENTS
from rollout.incidents import Incident, utc
from rollout.model import FULL, Cohort, Counts, Role, Verdict

BREACH, PASS, BAD, VALUE = Verdict.BREACH, Verdict.PASS, Reads.BAD, Reads.VALUE  # what every look asks for, read once
LEVEL, RATIO = Compares.LEVEL, Compares.RATIO
MINUTE, HOUR, DAY = 60, 3600, 86_400
SHARE_OF_NOTE = 0.001
MANY, SOME = 1e6, 10


class Shown(NamedTuple):
    """What a finding shows: both cohorts' counts, what was seen of them, and the ends of its interval."""

    treatment: Counts
    control: Counts
    seen: float | None
    ends: Interval | None


def arithmetic(rule: Rule, record: Record, verdict: Verdict, shown: Shown, *, fixed: bool) -> str:
    """The counts, then the evidence, then the rule: `… = 6.3x; evidence 214 > 60; breach of "> 2x control"`."""
    trial, tests = record.trial, rule.tests
    if isinstance(tests, Cap):
        return _spent(rule, trial.peak if verdict is BREACH else trial.found, verdict)
    if isinstance(tests, Streak):
        rest = _looks(tests, Looks.from_flat(trial.masses), int(trial.peak), verdict)
    elif verdict is PASS:
        rest = f"proof {number(proved(rule, record, fixed=fixed))} of {PROOF_NEEDED:g}"
    elif verdict is BREACH:
        rest = f"evidence {number(trial.peak)} > {rule.threshold:g}"
    else:
        rest = f"evidence {number(trial.found)} of {rule.threshold:g}"
    between = f", between {_ends(rule, shown.ends)}" if shown.ends else ""
    scatter = "" if rule.source == EVENTS else _scatter(rule, record.known)
    counts = comparison(rule, record.known, shown, fixed=fixed)
    return f'{counts}{between}; {scatter}{rest}; {_said(rule, verdict)} "{rule.wanted}"'


def proved(rule: Rule, record: Record, *, fixed: bool) -> float:
    """The evidence that the limit is kept."""
    if isinstance(rule.tests, Margin):
        return margin_proof(rule, rule.tests, record.trial, record.known, fixed=fixed)
    return proof(rule, record.trial)


def silent(rule: Rule, cohort: Cohort, silence: float | None) -> str:
    """No data: how long nothing came from a cohort (None: ever since the phase began), and how long it may."""
    hours = f" of {rule.expects.window.text}" if rule.expects else ""
    since = (
        "since the phase began"
        if silence is None
        else f"for {duration(silence)}{hours}, limit {duration(rule.patience)}"
    )
    return f'{rule.subject}: {_none(rule, rule.of)} from {cohort} {since}; no_data for "{rule.wanted}"'


def uncontrolled(rule: Rule) -> str:
    """No data: nothing to compare with, now or ever before."""
    return f'{rule.subject}: control was never counted and has no baseline; no_data for "{rule.wanted}"'


def never_seen(rule: Rule) -> str:
    """Unproven: the event or query that the metric names has not been seen, or counted anything, for this flag."""
    never = "has ever been seen" if rule.source == EVENTS else "has ever been counted"
    return f'{rule.subject}: {_none(rule, rule.named)} {never} for this flag; unproven for "{rule.wanted}"'


def lopsided(met: Met, exposure: int) -> str:
    """Invalid: the cohorts are not of the sizes that they should have, so that they may differ in other ways too."""
    total = met.treatment + met.control
    return (
        f"of {total:,} units met in this phase {met.treatment:,} ({percent(met.treatment / total)}) are treatment, "
        f"expected {percent(exposure / FULL)}; evidence of a wrong split {number(met.mismatch)} > {THRESHOLD:g}"
    )


def invalid(rule: Rule, why: str) -> str:
    """Invalid: treatment cannot be compared with control."""
    return f'{rule.subject}: {why}; invalid for "{rule.wanted}"'


def with_problem(reason: str, problem: str | None) -> str:
    """What a verdict rests on, and what its source could not tell just now."""
    return f"{reason}; {problem}" if problem else reason


def with_incident(reason: str, muted: int, incident: Incident | None) -> str:
    """What a verdict rests on, and what it does not: `muted` buckets so far, and more while an incident lasts."""
    left_out = f"{muted:,} bucket{'' if muted == 1 else 's'} inside incidents left out" if muted else ""
    if incident is not None:
        until = f"muted from {utc(incident.since)} until {utc(incident.over_at)}"
        return "; ".join(filter(None, (reason, f"{until} by incident {incident.number} ({incident.reason})", left_out)))
    return f"{reason}; {left_out}" if muted else reason


def waiting(rule: Rule, why: str) -> str:
    """Nothing to judge, and why."""
    return f'{rule.subject}: {why}; insufficient for "{rule.wanted}"'


def comparison(rule: Rule, known: Known, shown: Shown, *, fixed: bool) -> str:
    """The counts: `error_rate treatment 31/512 (6.1 %) vs control 44/4,608 (1.0 %) = 6.3x`; never divided by zero."""
    treatment, control, seen, _ = shown
    past = f" {rule.past}" if rule.past else ""
    lead = f"{rule.subject} treatment {_counts(rule, treatment)}{past}"
    if rule.compares is LEVEL:
        return lead
    beside = rule.needs_control and not fixed
    reference = f"control {_counts(rule, control)}" if beside else _fixed_reference(rule, known)
    return f"{lead} vs {reference}" if seen is None else f"{lead} vs {reference} = {_seen(rule, seen)}"


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


def _looks(streak: Streak, looks: Looks, peak: int, verdict: Verdict) -> str:
    """How many of the last looks found the limit crossed; of a breach, how many did then."""
    found = peak if verdict is Verdict.BREACH else len(looks.crossed)
    return f"{found} of {streak.looks} looks past the limit, {streak.needed} needed"


def _spent(rule: Rule, spent: float, verdict: Verdict) -> str:
    """Of a cap there is only the sum of one day."""
    return (
        f"{rule.subject} treatment {spent:,.2f}{_unit(rule)} in one day of {rule.limit:,g}{_unit(rule)}; "
        f'{_said(rule, verdict)} "{rule.wanted}"'
    )


def _scatter(rule: Rule, known: Known) -> str:
    """Of a source that counts events, how much more these scatter than units would: an approximation."""
    if not isinstance(rule.tests, E_PROCESSES):
        return ""
    if known.power is None:
        return "dispersion unknown, taken as 1; "
    return f"dispersion about {1 / known.power:.1f} ({known.noise.buckets} buckets before the start); "


def _said(rule: Rule, verdict: Verdict) -> str:
    """The verdict's name; what is not a criterion is established or not, rather than breached."""
    if verdict is PASS:
        return "pass of"
    if verdict is not BREACH:
        return "insufficient for"
    return "breach of" if rule.role is Role.STOP else "established:"


def _seen(rule: Rule, seen: float) -> str:
    return f"{seen:.1f}x" if rule.compares is RATIO else _signed(rule, seen)


def _ends(rule: Rule, ends: Interval) -> str:
    match rule.compares:
        case Compares.RATIO:
            return f"{ends.low:.2f}x and {ends.high:.2f}x"
        case Compares.DIFFERENCE:
            return f"{_signed(rule, ends.low)} and {_signed(rule, ends.high)}"
        case Compares.LEVEL:
            return f"{_level(rule, ends.low)} and {_level(rule, ends.high)}"


def _signed(rule: Rule, value: float) -> str:
    """A difference: in percentage points, or in the metric's own unit."""
    return f"{value:+.4g}{_unit(rule)}" if rule.reads is Reads.VALUE else f"{value * 100:+.2f} pp"


def _level(rule: Rule, value: float) -> str:
    return f"{value:,.4g}{_unit(rule)}" if rule.reads is Reads.VALUE else percent(value)


def _unit(rule: Rule) -> str:
    return f" {rule.unit}" if rule.unit else ""


def _none(rule: Rule, name: str) -> str:
    return f"no `{name}` event" if rule.source == EVENTS else f"nothing of `{name}`"


def _fixed_reference(rule: Rule, known: Known) -> str:
    """What treatment is compared with where that is not the concurrent control, and why."""
    rate = _level(rule, fixed_level(rule, known))
    if not rule.needs_control:
        return f"baseline {rate}"
    if not known.past_total:
        return f"baseline {rate} in place of control"
    past = Counts(known.past_bad, known.past_total, known.past_sum, known.past_squares)
    return f"control frozen at {rate} (95 % bound of {_counts(rule, past)})"


def _counts(rule: Rule, counts: Counts) -> str:
    """`31/512 (6.1 %)`, or of a number `812.4 ms over 512`."""
    total, reads = counts.total, rule.reads
    if not total:
        return "0/0"
    if reads is VALUE:
        return f"{_level(rule, counts.sum / total)} over {total:,}"
    units = counts.bad if reads is BAD else total - counts.bad
    return f"{units:,}/{total:,} ({percent(units / total)})"
