"""What must hold between the parts of a plan: each rule yields the faults it finds, and none hides another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from plans import approver_rules, metric_rules, settings
from plans.expressions import DAY, FULL, Reference, When, percent
from plans.known import Known, configured
from plans.parts import Parts
from plans.problems import Fault, Path, Severity, suggestion
from plans.schema import Phase, Settings, Tune
from plans.trees import UP_TO, raised, tuned_setting


def faults(parts: Parts, known: Known) -> Iterator[Fault]:
    """Everything that is wrong between the parts of a plan."""
    for rule in RULES:
        yield from rule(parts)
    yield from configured(parts, known)


def served_settings(parts: Parts) -> Iterator[Fault]:
    """Stable and candidate hold the same keys, of the same kinds, in range."""
    for owner, given in (("stable", parts.stable), ("candidate", parts.candidate)):
        for key, message in settings.faults(given or {}):
            yield Fault((owner, key), message)
    if parts.stable is not None and parts.candidate is not None and parts.knows(("stable",), ("candidate",)):
        for owner, key, message in settings.mismatches(parts.stable, parts.candidate):
            yield Fault((owner, key), message)


def exposures(parts: Parts) -> Iterator[Fault]:
    """Exposure can be computed and grows from phase to phase."""
    size = parts.audience.size
    for index, phase in parts.phases:
        wanted = phase.expose.units
        if wanted is not None and size is None and parts.knows(("audience",)):
            message = f"`{phase.expose.text}` needs the size of the audience; add `audience: {{size: 20000}}`"
            yield Fault(("phases", index, "expose"), message)
        if wanted is not None and size is not None and wanted > size:
            yield Fault(("phases", index, "expose"), f"`{phase.expose.text}` are more than the audience of {size:,}")
    for (_, before), (index, after) in pairwise(parts.phases):
        low, high = parts.exposure(before), parts.exposure(after)
        if low is not None and high is not None and high <= low:
            message = f"{percent(high)} is not more than the {percent(low)} of {before.name!r} before it; raise it"
            yield Fault(("phases", index, "expose"), message)


def ending(parts: Parts) -> Iterator[Fault]:
    """The last phase reaches everyone, unless the plan says otherwise, and needs nobody's approval."""
    if not parts.phases or parts.phases[-1][0] != parts.phase_count - 1:
        return
    index, last = parts.phases[-1]
    exposure = parts.exposure(last)
    if exposure is not None and exposure < FULL and not parts.ends_below_100 and parts.knows(("ends_below_100",)):
        message = (
            f"the plan ends at {percent(exposure)}; add a phase at 100%, or `ends_below_100: true` if that is meant"
        )
        yield Fault(("phases", index, "expose"), message)
    if last.approval:
        yield Fault(
            ("phases", index, "approval"), "the last phase takes no approval, for nothing follows it; remove it"
        )


def phase_names(parts: Parts) -> Iterator[Fault]:
    """No two phases share a name."""
    first: dict[str, int] = {}
    for index, phase in parts.phases:
        if first.setdefault(phase.name.lower(), index) != index:
            message = f"{phase.name!r} is the name of phases[{first[phase.name.lower()]}] too; choose another"
            yield Fault(("phases", index, "name"), message)


def adjustments(parts: Parts) -> Iterator[Fault]:
    """Adjustments fit the candidate, come in order and before the hold of their phase ends."""
    for index, phase in parts.phases:
        moments = [_earliest(parts, adjustment.at) for adjustment in phase.adjust]
        for number, adjustment in enumerate(phase.adjust):
            place: Path = ("phases", index, "adjust", number)
            if _ends_before(parts, phase, adjustment.at):
                late = f"{adjustment.at.text!r} comes after the hold of {phase.hold.text} ends"
                yield Fault((*place, "at"), f"{late}; bring it forward, or hold longer")
            if number and moments[number] < moments[number - 1]:
                yield Fault(
                    (*place, "at"), f"{adjustment.at.text!r} comes before the adjustment above it; order them by time"
                )
            yield from _fitting(parts, adjustment.set, (*place, "set"))


def wall_clock(parts: Parts) -> Iterator[Fault]:
    """Every wall-clock time has a zone."""
    if parts.schedule.timezone is not None or not parts.knows(("schedule", "timezone")):
        return
    for path, words in _clock_times(parts):
        yield Fault(path, f"{words} needs a time zone; add `timezone: America/New_York`, or yours, to `schedule`")


def freezes(parts: Parts) -> Iterator[Fault]:
    """A freeze ends no earlier than it begins."""
    for index, freeze in enumerate(parts.schedule.freeze):
        if freeze.to < freeze.from_:
            message = f"{freeze.to} is before {freeze.from_}, where the freeze begins; swap them"
            yield Fault(("schedule", "freeze", index, "to"), message)


def criteria(parts: Parts) -> Iterator[Fault]:
    """No two criteria are the same, and each can be judged as it is written."""
    seen: dict[object, int] = {}
    for index, criterion in parts.criteria:
        place: Path = ("stop", "criteria", index)
        condition = criterion.when
        identity = (condition.metric, condition.aggregate, condition.op, condition.target)
        if seen.setdefault(identity, index) != index:
            yield Fault(place, f"`{criterion.text}` is stop.criteria[{seen[identity]}] again; remove one of them")
        if criterion.for_ and criterion.test != "threshold":
            yield Fault((*place, "for"), "`for` counts looks of a threshold; add `test: threshold`, or remove it")
        patience = criterion.no_data_after or parts.no_data_after
        if patience.total_seconds < parts.check_every.total_seconds and parts.knows(("stop", "check_every")):
            own = (*place, "no_data_after") if criterion.no_data_after else ("stop", "no_data_after")
            yield Fault(own, f"{patience.text} is shorter than `check_every`, {parts.check_every.text}; make it longer")


def references(parts: Parts) -> Iterator[Fault]:
    """A comparison has something to compare with: at 100 % from the start there is neither control nor history."""
    if not parts.phases or parts.phases[0][0] != 0 or parts.exposure(parts.phases[0][1]) != FULL:
        return
    for path, condition in parts.conditions():
        metric = parts.metrics.get(condition.metric)
        if condition.target.reference and metric and metric.baseline is None:
            message = (
                f"the first phase is at 100%, where there is no {condition.target.reference}; "
                f"add `baseline: 0.02`, or what it is, to metrics.{condition.metric}"
            )
            yield Fault(path, message)


def silent_control(parts: Parts) -> Iterator[Fault]:
    """Where stable is off, control sees no feature and may report nothing to compare with."""
    if not parts.stable_off:
        return
    for index, criterion in parts.criteria:
        if criterion.when.target.reference is Reference.CONTROL:
            message = "stable is off, so control may report nothing; prefer a share such as `> 2%`, or `2x baseline`"
            yield Fault(("stop", "criteria", index), message, Severity.WARNING)


def decisions(parts: Parts) -> Iterator[Fault]:
    """An A/B decision is made where both cohorts exist, and before a phase that it can ship to."""
    for index, phase in parts.phases:
        exposure = parts.exposure(phase)
        if phase.decide and exposure in {0, FULL}:
            message = (
                f"at {percent(exposure or 0)} there are no two cohorts to decide between; expose a share such as 50%"
            )
            yield Fault(("phases", index, "decide"), message)
        elif phase.decide and index == parts.phase_count - 1:
            yield Fault(("phases", index, "decide"), "the last phase has nothing to ship to; add a phase behind it")


def tuning(parts: Parts) -> Iterator[Fault]:
    """A tuned setting is one number of the candidate, stepped towards its bound."""
    for index, tune in parts.tune:
        place: Path = ("tune", index)
        steps = {key: step for key, step in tune.raise_.items() if key != UP_TO}
        if len(steps) != 1:
            message = "name one setting and its step, such as `{min_confidence: 0.1, up_to: 0.9}`"
            yield Fault((*place, "raise"), message)
        wrong = [fault for key, step in steps.items() for fault in _step(parts, (*place, "raise", key), key, step)]
        wrong += _bounds(tune, place)
        yield from wrong
        if len(steps) == 1 and not wrong and parts.candidate is not None and parts.knows(("candidate",)):
            yield from _tuned(parts, parts.candidate, tune, place)


def unused(parts: Parts) -> Iterator[Fault]:
    """Every metric is used by a criterion, a decision or tuning."""
    if not parts.knows(("stop", "criteria"), ("tune",), ("phases",)):
        return
    used = {condition.metric for _, condition in parts.conditions()}
    for name in sorted(parts.metric_names - used):
        message = "no criterion, tune or decide uses this metric; use it or remove it"
        yield Fault(("metrics", name), message, Severity.WARNING)


RULES: tuple[Callable[[Parts], Iterable[Fault]], ...] = (
    served_settings,
    exposures,
    ending,
    phase_names,
    adjustments,
    wall_clock,
    freezes,
    metric_rules.metrics,
    metric_rules.conditions,
    metric_rules.limits,
    criteria,
    references,
    silent_control,
    decisions,
    tuning,
    approver_rules.approvals,
    approver_rules.lapses,
    unused,
)


def _clock_times(parts: Parts) -> Iterator[tuple[Path, str]]:
    if parts.schedule.start is not None:
        yield ("schedule", "start"), f"{parts.schedule.start:%Y-%m-%d %H:%M}"
    if parts.schedule.advance is not None:
        yield ("schedule", "advance"), f"`{parts.schedule.advance.text}`"
    for index, _ in enumerate(parts.schedule.freeze):
        yield ("schedule", "freeze", index), "a freeze"
    if parts.expect_data is not None:
        yield ("stop", "expect_data"), f"`{parts.expect_data.text}`"
    for index, criterion in parts.criteria:
        if criterion.expect_data is not None:
            yield ("stop", "criteria", index, "expect_data"), f"`{criterion.expect_data.text}`"
    for index, phase in parts.phases:
        for number, adjustment in enumerate(phase.adjust):
            if adjustment.at.at is not None:
                yield ("phases", index, "adjust", number, "at"), f"`{adjustment.at.text}`"


def _earliest(parts: Parts, moment: When) -> int:
    """Seconds from the start of its phase, which begins no earlier than the window opens, every day being 24 hours."""
    if moment.after is not None:
        return moment.after.total_seconds
    start = _opening(parts)
    clock = start if moment.at is None else moment.at.hour * 3600 + moment.at.minute * 60
    return ((moment.day or 1) - 1) * DAY + clock - start


def _ends_before(parts: Parts, phase: Phase, moment: When) -> bool:
    return _earliest(parts, moment) > phase.hold.total_seconds


def _opening(parts: Parts) -> int:
    window = parts.schedule.advance
    return window.opens.hour * 3600 + window.opens.minute * 60 if window else 0


def _fitting(parts: Parts, change: settings.Values, place: Path) -> Iterator[Fault]:
    if parts.candidate is not None and parts.knows(("candidate",)):
        for key, message in settings.changes(parts.candidate, change):
            yield Fault((*place, key), message)


def _step(parts: Parts, place: Path, key: str, step: object) -> Iterator[Fault]:
    if not _is_number(step) or step == 0:
        yield Fault(place, f"{step!r} is no step; write a number other than 0, such as 0.1")
    if parts.candidate is None or not parts.knows(("candidate",)):
        return
    if key not in parts.candidate:
        yield Fault(place, f"is no setting of the candidate; {suggestion(key, parts.candidate)}")
    elif not _is_number(parts.candidate[key]):
        yield Fault(place, f"the candidate's {key} is {parts.candidate[key]!r}, which has no steps; tune a number")


def _tuned(parts: Parts, candidate: Settings, tune: Tune, place: Path) -> Iterator[Fault]:
    """Something is left to raise, and no dated adjustment overrules what the tree found."""
    key = tuned_setting(tune)
    if raised(tune, candidate) is None:
        message = f"the candidate's {key} is {candidate[key]!r}, which cannot be raised further; raise the bound"
        yield Fault((*place, "raise"), message)
    for index, phase in parts.phases:
        for number, adjustment in enumerate(phase.adjust):
            if key in adjustment.set:
                message = f"sets {key} whatever tune[{place[-1]}] has raised it to; tune it or adjust it, not both"
                yield Fault(("phases", index, "adjust", number, "set", key), message, Severity.WARNING)


def _bounds(tune: Tune, place: Path) -> Iterator[Fault]:
    bound = tune.raise_.get(UP_TO)
    if bound is not None and not _is_number(bound):
        yield Fault((*place, "raise", UP_TO), f"{bound!r} is no bound; write a number, such as 0.9")
    if tune.give_up_after and tune.give_up_after.total_seconds < tune.observe.total_seconds:
        message = f"{tune.give_up_after.text} is shorter than `observe`, {tune.observe.text}; make it longer"
        yield Fault((*place, "give_up_after"), message)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
