"""A small application: reads its flag over OFREP, obeys it, and reports what came of it. Usage: app.py ADDRESS USER."""

import sys
from collections.abc import Mapping
from typing import Any

import httpx
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

FLAG = "case-law-ai"
BEFORE: Mapping[str, Any] = {"enabled": True, "model": "v2.3", "min_confidence": 0.7}  # what it did without Sluice


def suggestions(model: str) -> dict[str, float]:
    """Stands for the model: cases with how sure it is of each."""
    return {"Smith v. Jones": 0.93, "Doe v. Roe": 0.72} if model == "v2.4" else {"Smith v. Jones": 0.81}


def main(address: str, name: str) -> None:
    """Serve one visit."""
    api.set_provider(OFREPProvider(address))
    user = EvaluationContext(name, {"email": f"{name}@mail.test", "tier": "standard"})
    feature = api.get_client().get_object_value(FLAG, BEFORE, user)

    events = ["request"]
    if feature["enabled"]:
        found = suggestions(feature["model"])
        sure = [case for case, confidence in found.items() if confidence >= feature["min_confidence"]]
        events += ["shown"] if sure else []
        print(f"{feature['model']}: {', '.join(sure) or 'nothing it is sure of'}")
    else:
        print("search as it was before")

    context = user.attributes  # what the plan's unit, allow and block look at
    told = [{"flag": FLAG, "targetingKey": name, "event": event, "context": context} for event in events]
    httpx.post(f"{address}/v1/track", json=told, timeout=5).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
