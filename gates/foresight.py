"""A forecast in words and numbers: what the preview warns of, and its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from gates.planner import Forecast, Noticed, Outlook, Stretch
from gates.rules import Against, Cap, Compares, Reads, Rule, Side
from rollout.describe import percent
from rollout.model import FULL

DAY_MINUTES = 1440
HOUR_MINUTES = 60
TWO_DAYS = 2 * DAY_MINUTES


def warnings(found: Forecast) -> tuple[str, ...]:
    """What a reader should know before submitting, the assumption about traffic first."""
    return (
        *_assumptions(found),
        *(f"not forecast: {problem}" for problem in found.unjudged),
        *_unhealthy(found),
        *_jumpy(found),
        *(text for outlook in found.outlooks if (text := _too_slow(found, outlook))),
        *_uncontrolled(found),
    )


def detection_json(found: Forecast) -> list[dict[str, Any]]:
    """One entry a phase and criterion; days are null where a fault is never noticed."""
    return [
        {
            "phase": outlook.stretch.name,
            "exposure": outlook.stretch.exposure / 1000,
            "days": round(outlook.stretch.days, 3),
            "criterion": outlook.rule.text,
            "then": str(outlook.rule.then),
            "tolerated": outlook.rule.tolerated,
            "limit": outlook.rule.limit,
            "usual": found.traffic.rates[outlook.rule.metric],
            "pass_days": _finite(outlook.pass_days),
            "faults": [_fault_json(fault) for fault in outlook.faults],
        }
        for outlook in found.outlooks
    ]


def margins(rule: Rule) -> str:
    """What a criterion practically always lets pass and practically always acts on: `tolerated 1.5x, limit 2x`."""
    return f"tolerated {_level(rule, rule.tolerated)}, limit {_level(rule, rule.limit)}"


def assumption(found: Forecast) -> str:
    """What the numbers rest on: `20,000 users a day; error_rate 2 %, accuracy 90 %`."""
    rates = ", ".join(f"{rule.metric} {_amount(rule, found.traffic.rates[rule.metric])}" for rule in _metrics(found))
    hours = "; ".join(f"{one.text} alone" for one in dict.fromkeys(found.hours.values()))
    return "; ".join(part for part in (f"{_crowd(found)} a day", rates, hours) if part)


def share(value: float) -> str:
    """A share in percent: `0.1 %`."""
    return f"{100 * value:.3g} %"


def span(days: float) -> str:
    """So many days as a person says it: `80 min`, `10.6 h`, `1.9 days`, `never`."""
    if not isfinite(days):
        return "never"
    minutes = days * DAY_MINUTES
    if minutes < 2 * HOUR_MINUTES:
        return f"{max(minutes, 1):.0f} min"
    if minutes < TWO_DAYS and days != 1:
        return f"{minutes / HOUR_MINUTES:.3g} h"
    return "1 day" if days == 1 else f"{_in_days(days)} days"


def lasts(stretch: Stretch) -> str:
    """How long a phase is: `1 day`, `36 h`."""
    whole = stretch.days == int(stretch.days)
    return f"{stretch.days:.0f} day{'' if stretch.days == 1 else 's'}" if whole else span(stretch.days)


def brief(days: float) -> str:
    """So many days in four characters: `80m`, `11h`, `1.9d`, `355d`."""
    if not isfinite(days):
        return "never"
    minutes = days * DAY_MINUTES
    if minutes < 2 * HOUR_MINUTES:
        return f"{minutes:.0f}m"
    return f"{_in_days(minutes / HOUR_MINUTES)}h" if minutes < TWO_DAYS else f"{_in_days(days)}d"


def _fault_json(fault: Noticed) -> dict[str, Any]:
    days, units = fault.days, fault.units
    noticed = isfinite(days.t50)
    return {
        "times": fault.times,
        "rate": round(fault.rate, 6),
        "days": {"p50": _finite(days.t50), "p90": _finite(days.t90)},
        "units": {"p50": round(units[0]) if noticed else None, "p90": round(units[1]) if noticed else None},
    }


def _finite(days: float) -> float | None:
    return round(days, 4) if isfinite(days) else None


def _assumptions(found: Forecast) -> Iterator[str]:
    if found.plan.audience.size is None:
        yield f"audience.size is not given: detection times are for {_crowd(found)} a day; write how many you have"


def _unhealthy(found: Forecast) -> Iterator[str]:
    for outlook in {outlook.rule.text: outlook for outlook in found.outlooks if outlook.broken}.values():
        rule = outlook.rule
        rate = _amount(rule, found.traffic.rates[rule.metric])
        yield (
            f"{rule.text}: {_words(rule)} is taken to be {rate} while nothing is wrong, which is past the "
            f"limit already{_at(outlook)}; give the metric its real `baseline`"
        )


def _at(outlook: Outlook) -> str:
    """Where a limit is broken, of one that depends on how many units come."""
    return f" in {outlook.stretch.name}" if isinstance(outlook.rule.tests, Cap) else ""


def _jumpy(found: Forecast) -> Iterator[str]:
    """Looks that chance alone makes cross: nothing is promised of them, so the forecast says how often."""
    for outlook in found.outlooks:
        if outlook.alarm_days <= outlook.stretch.days and not outlook.broken:
            yield (
                f"{outlook.stretch.name}, {outlook.rule.text}: chance alone breaches half of all healthy rollouts "
                f"within {span(outlook.alarm_days)}; ask for more looks in `for`, or leave `test: threshold` out"
            )


def _too_slow(found: Forecast, outlook: Outlook) -> str | None:
    """That half of all telling faults outlast the phase unnoticed; None where they do not."""
    fault, stretch = outlook.telling, outlook.stretch
    if fault is None or fault.days.t50 <= stretch.days:
        return None
    place = f"{stretch.name}, {outlook.rule.text}: at {percent(stretch.exposure)} of {_crowd(found)} a day"
    what = _fault_words(outlook.rule, fault)
    if not isfinite(fault.days.t50):
        return f"{place} this criterion cannot notice {what} at all"
    needs = f"{_in_days(fault.days.t50)} days (90 %: {_in_days(fault.days.t90)})"
    return f"{place} this criterion needs {needs} to notice {what}; the phase is only {lasts(stretch)} long"


def _uncontrolled(found: Forecast) -> Iterator[str]:
    bound = [rule.text for rule in found.rules if rule.against is Against.CONTROL]
    for stretch in found.stretches:
        if bound and stretch.exposure == FULL:
            yield (
                f"{stretch.name}: 100 % has no control: {', '.join(bound)} {'is' if len(bound) == 1 else 'are'} judged "
                f"there against control's rate in earlier phases, and an outage that everybody shares does not "
                f"cancel; a phase at `expose: 99%` before it would keep a control for as long as it lasts"
            )


def _fault_words(rule: Rule, fault: Noticed) -> str:
    if rule.side is Side.ABOVE and (rule.past or rule.reads is Reads.VALUE or rule.compares is not Compares.LEVEL):
        words = _words(rule)
        return f"{'' if words.endswith('s') else 'a '}{fault.times:g}x {words}"
    amount = f"{fault.rate:,.4g}{_unit(rule)}" if rule.reads is Reads.VALUE else share(fault.rate)
    return f"{_words(rule)} of {amount}"


def _in_days(days: float) -> str:
    return f"{days:.2g}" if days < 10 else f"{days:.0f}"  # noqa: PLR2004 - two digits are enough


def _crowd(found: Forecast) -> str:
    return f"{found.traffic.daily:,.0f} {found.plan.audience.unit}s"


def _metrics(found: Forecast) -> list[Rule]:
    """A rule of each metric of which something is taken for granted: a ratio of means holds at any of them."""
    free = found.traffic.bounds
    told = [rule for rule in found.rules if rule.metric in free or rule.baseline is not None or not _scaleless(rule)]
    return list({rule.metric: rule for rule in reversed(told)}.values())[::-1]


def _scaleless(rule: Rule) -> bool:
    return rule.reads is Reads.VALUE and rule.compares is Compares.RATIO


def _amount(rule: Rule, value: float) -> str:
    """A metric's rate, or of a number its mean: `2 %`, `187 ms on average`."""
    if rule.past or rule.reads is Reads.VALUE:
        return f"{value:,.4g}{_unit(rule)} on average"
    return share(value)


def _unit(rule: Rule) -> str:
    return f" {rule.unit}" if rule.unit else ""


def _words(rule: Rule) -> str:
    return rule.metric.replace("_", " ")


def _level(rule: Rule, value: float) -> str:
    if rule.compares is Compares.RATIO:
        return f"{value:.3g}x"
    if rule.reads is Reads.VALUE:
        return f"{value:,.4g}{_unit(rule)}"
    return share(value) if rule.compares is Compares.LEVEL else f"{100 * value:+.3g} pp"
