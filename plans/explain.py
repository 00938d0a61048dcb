"""Pydantic's errors in a plan's words: place, value, rule and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from plans.approval import Approval
from plans.problems import Fault, Path, closest, shown, suggestion
from plans.schema import Adjustment, Audience, Criterion, Metric, Phase, Plan, Schedule, Stop, Tune

SECTIONS: Mapping[str, type[BaseModel]] = {
    "the plan itself": Plan,
    "audience": Audience,
    "schedule": Schedule,
    "phases[…]": Phase,
    "phases[…].adjust[…]": Adjustment,
    "phases[…].approval": Approval,
    "metrics": Metric,
    "stop": Stop,
    "stop.criteria[…]": Criterion,
    "tune[…]": Tune,
}
KINDS = {
    "string_type": "text; put it in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, each item on a line of its own behind `- `",
    "dict_type": "a mapping, `key: value` on each line",
    "mapping_type": "a mapping, `key: value` on each line",
    "model_type": "a mapping, `key: value` on each line",
    "model_attributes_type": "a mapping, `key: value` on each line",
    "finite_number": "a number that is not infinite",
}
BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def faults(wrong: ValidationError, data: object) -> Iterator[tuple[str, Fault]]:
    """Every error once, as pydantic's name for it and what to tell."""
    seen: set[Path] = set()
    for error in wrong.errors(include_url=False):
        path = _path(error, data)
        emptied = error["type"] == "too_short" and error["input"]  # its items were refused, each in its own words
        if path not in seen and not emptied:
            seen.add(path)
            yield error["type"], Fault(path, _message(error, path))


def _path(error: ErrorDetails, data: object) -> Path:
    """Where in the file the error is: pydantic's own place without the branches it tried."""
    path: list[str | int] = []
    for part in error["loc"]:
        if isinstance(data, Mapping) and part in data:
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif error["type"] == "missing" and part == error["loc"][-1]:
            data = None
        else:
            continue
        path.append(part)
    return tuple(path)


def _message(error: ErrorDetails, path: Path) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return f"is missing; add {_example(path)}"
    if kind == "extra_forbidden":
        return f"unknown key; {_meant(path)}"
    if value is None:
        return f"is empty; write {_example(path)}"
    if kind == "value_error":
        return str(context["error"])
    if kind in {"literal_error", "enum"}:
        return _choice(value, context["expected"])
    if kind in KINDS:
        return f"{shown(value)} does not fit; write {KINDS[kind]}"
    return _measure(kind, value, context, error["msg"])


def _measure(kind: str, value: object, context: Mapping[str, Any], otherwise: str) -> str:
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return f"{shown(value)} is out of range; write {words} {context[name]:,}"
    if kind in {"too_short", "string_too_short"}:
        return "is empty; write at least one"
    if kind == "string_too_long":
        return f"is {len(str(value)):,} characters long; write at most {context['max_length']:,}"
    if kind == "too_long":
        return f"holds {context['actual_length']}; write {context['max_length']}"
    return f"{shown(value)} does not fit: {otherwise}"


def _choice(value: object, expected: str) -> str:
    spelled = {"True": "true", "False": "false"}
    named = (choice.strip("'") for choice in expected.replace(" or ", ", ").split(", "))
    choices = [spelled.get(choice, choice) for choice in named]
    if len(choices) == 1:
        return f"{shown(value)} does not fit; write {choices[0]}"
    return f"{shown(value)} does not fit; {_one_of(value, choices)}"


def _one_of(value: object, choices: Sequence[str]) -> str:
    meant = closest(str(value), choices)
    hint = f"did you mean {meant!r}? " if meant else ""
    return f"{hint}write {', '.join(choices[:-1])} or {choices[-1]}"


def _meant(path: Path) -> str:
    """What an unknown key may have been: a key of this place, or one that belongs elsewhere."""
    key, here = str(path[-1]), _names(_model(path[:-1]))
    if closest(key, here) is None:
        for section, model in SECTIONS.items():
            if key in _names(model):
                return f"it belongs to {section}"
    return suggestion(key, here)


def _example(path: Path) -> str:
    """The line that would do, from the model's own examples."""
    field = _fields(_model(path[:-1])).get(str(path[-1])) if path else None
    examples = field.examples if field is not None else None
    return f"`{path[-1]}: {examples[0]}`" if examples else "a value"


def _names(model: type[BaseModel]) -> set[str]:
    return set(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model(path: Path) -> type[BaseModel]:
    """The model that describes a place."""
    model: type[BaseModel] = Plan
    for part in path:
        field = _fields(model).get(str(part))
        model = _inner(field.annotation) or model if field is not None else model
    return model


def _inner(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _inner(inner))), None)
