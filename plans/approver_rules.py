"""Whether the approvals that a plan demands can ever be given, and are ever asked for."""

from __future__ import annotations

from collections.abc import Iterator

from plans.parts import Parts
from plans.problems import Fault, Path, Severity


def approvals(parts: Parts) -> Iterator[Fault]:
    """Everybody is named once, and there are as many of them as approvals."""
    first: dict[str, int] = {}
    for index, person in enumerate(parts.approvers):
        if first.setdefault(person.casefold(), index) != index:
            message = f"{person!r} is approvers[{first[person.casefold()]}] again; a person counts once, remove one"
            yield Fault(("approvers", index), message)
    people = len(first)
    if people and parts.approvals > people:
        message = f"{parts.approvals} approvals cannot come from {people} people; name more, or write at most {people}"
        yield Fault(("approvals",), message)
    elif people and parts.requester_may_approve is False and parts.owner.casefold() in first:
        yield from _own(parts, people - 1)
    yield from _unasked(parts)


def lapses(parts: Parts) -> Iterator[Fault]:
    """What follows where a question expires is said of one that does."""
    for index, phase in parts.phases:
        place: Path = ("phases", index, "approval")
        said = phase.approval is not None and "then" in phase.approval.model_fields_set
        if said and phase.approval and phase.approval.expires is None and parts.knows((*place, "expires")):
            message = "says what follows when nobody answers in time; add `expires: 3d`, or remove it"
            yield Fault((*place, "then"), message)


def _own(parts: Parts, others: int) -> Iterator[Fault]:
    """A plan that its owner had better not submit."""
    if others < parts.approvals:
        message = (
            f"if {parts.owner} submits this plan, {others} may approve it, and it takes {parts.approvals}; "
            "name another approver, or let somebody else submit it"
        )
        yield Fault(("requester_may_approve",), message, Severity.WARNING)


def _unasked(parts: Parts) -> Iterator[Fault]:
    """Rules for a question that no phase asks."""
    rules = {
        "approvers": bool(parts.approvers),
        "approvals": parts.approvals > 1,
        "requester_may_approve": not parts.requester_may_approve,
    }
    asks = any(phase.approval or phase.decide for _, phase in parts.phases)
    if not asks and parts.knows(("phases",)):
        message = "no phase asks for an approval, so this is for amendments alone; add `approval: required` to a phase"
        yield from (Fault((name,), message, Severity.WARNING) for name, given in rules.items() if given)
