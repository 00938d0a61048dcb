"""The kinds of value that the plan model is built of, each with what an editor is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from plans.constraints import (
    CONFIDENCE,
    DATE,
    HIGHEST_CONFIDENCE,
    LOWEST_CONFIDENCE,
    START,
    Between,
    Shape,
    read_confidence,
    read_date,
    read_matcher,
    read_start,
)
from plans.expressions import Duration

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Whole = Annotated[int, Strict()]
Name = Annotated[str, Shape(r"^[a-z0-9][a-z0-9-]{0,62}$", "1 to 63 of a-z, 0-9 and -, such as `search-v2`")]
Key = Annotated[str, Shape(r"^[A-Za-z0-9._-]{1,128}$", "1 to 128 of letters, digits, `.`, `_` and `-`")]
Label = Annotated[
    str,
    Shape(r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$", "1 to 63 letters, digits, spaces, `.`, `_` or `-`, such as `beta`"),
]
Query = Annotated[str, Field(min_length=1, max_length=10_000)]
Matcher = Annotated[
    Mapping[str, tuple[str, ...]],
    BeforeValidator(read_matcher),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
                ]
            },
            "description": "attribute: pattern or list of patterns with * and ?; all attributes must match",
        }
    ),
]
Day = Annotated[
    date,
    BeforeValidator(read_date),
    WithJsonSchema({"type": "string", "pattern": DATE, "description": "a day, such as 2026-12-19"}),
]
Start = Annotated[
    datetime,
    BeforeValidator(read_start),
    WithJsonSchema({"type": "string", "pattern": START, "description": "wall-clock time, such as 2026-12-01 09:00"}),
]
Confidence = Annotated[
    float,
    BeforeValidator(read_confidence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": CONFIDENCE},
                {"type": "number", "minimum": LOWEST_CONFIDENCE, "maximum": HIGHEST_CONFIDENCE},
            ],
            "description": "50% to 99.9%: chance that a healthy rollout is never reverted by mistake",
        }
    ),
]
Patience = Annotated[Duration, Between(Duration(seconds=10), Duration(days=30))]
