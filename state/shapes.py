"""What of a plan judging depends on, as one short word."""

from __future__ import annotations

from hashlib import sha256

import orjson

from plans.load import to_json
from plans.schema import Plan

NOT_JUDGED_BY = frozenset(
    {"name", "summary", "owner", "flag", "stable", "candidate", "salt", "notify", "audience"}
    | {"approvers", "approvals", "requester_may_approve"}
)


def shape(plan: Plan) -> str:
    """A digest of all that judging depends on: plans of one shape share their compiled rules."""
    judged = {key: value for key, value in orjson.loads(to_json(plan)).items() if key not in NOT_JUDGED_BY}
    judged["size"] = plan.audience.size  # intervals are narrowest at the planned number of units
    return sha256(orjson.dumps(judged, option=orjson.OPT_SORT_KEYS)).hexdigest()
