"""An amendment that makes a plan looser, waiting for somebody to approve it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What waits: the digest of the amended plan, who asked for it and why, and the command that holds the plan.

    `requester` is whom they are known to be, or else their name; `approved_by` are those whose yes has counted.
    """

    digest: str
    command: int
    by: str
    reason: str
    at: datetime
    requester: str = ""
    approved_by: tuple[str, ...] = ()


def shown(proposal: Proposal) -> dict[str, str]:
    """The proposal as `status` gives it."""
    at = proposal.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"digest": proposal.digest, "by": proposal.by, "reason": proposal.reason, "at": at}
