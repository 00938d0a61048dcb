"""What a person may ask of a rollout: a command a verb, each with its own words and the options that all share."""

# No postponed annotations here: the options of `Shared` become those of every command.
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, NamedTuple

import typer

from rollout.model import Verb
from sluice import render
from sluice.access import client
from sluice.errors import UsageError
from sluice.options import AsJson, By, Check, Data, Name, Reason, Revision, Server, emit, person
from state.seen import Seen

Args = dict[str, Any]
"""What a command carries besides its verb."""


class Shared(NamedTuple):
    """The options of every command that asks something of a rollout."""

    by: By = None
    reason: Reason = ""
    revision: Revision = None
    check: Check = False
    data: Data = None
    server: Server = None
    as_json: AsJson = False


NAME = Parameter("name", Parameter.POSITIONAL_OR_KEYWORD, annotation=Name)
SHARED = tuple(option.replace(kind=Parameter.KEYWORD_ONLY) for option in signature(Shared).parameters.values())


def asks(verb: Verb) -> Callable[[Callable[..., Args]], Callable[..., None]]:
    """Make a verb's command of the function that gives its arguments: first the rollout's name, last what all share."""

    def made(own: Callable[..., Args]) -> Callable[..., None]:
        @wraps(own)
        def command(name: str, **given: Any) -> None:
            shared = Shared(**{option: given.pop(option) for option in Shared._fields})
            _ask(name, verb, own(**given), shared)

        parameters = (NAME, *signature(own).parameters.values(), *SHARED)
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        vars(command)["__signature__"] = Signature(parameters)
        return command

    return made


@asks(Verb.APPROVE)
def approve() -> Args:
    """Answer the question a rollout waits with: yes, go on to the next phase."""
    return {}


@asks(Verb.ABORT)
def abort() -> Args:
    """End a rollout: everyone goes back to stable."""
    return {}


@asks(Verb.HOLD)
def hold() -> Args:
    """Keep a rollout where it is until somebody resumes it; the guard goes on watching."""
    return {}


@asks(Verb.ADVANCE)
def advance() -> Args:
    """Skip the rest of a phase's hold; refused while a criterion blocks."""
    return {}


@asks(Verb.RESUME)
def resume(
    *,
    at: Annotated[
        str | None, typer.Option(help="The phase to resume in, not above the one it stopped in.", show_default=False)
    ] = None,
) -> Args:
    """Take up a held, reverted or disabled rollout again."""
    return {} if at is None else {"phase": at}


@asks(Verb.SET)
def set_(
    settings: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="For example min_confidence=0.8.")],
) -> Args:
    """Change settings of the candidate now, for this and all later phases."""
    return {"settings": dict(map(_setting, settings))}


@asks(Verb.EXTEND)
def extend(
    duration: Annotated[str, typer.Argument(help="How much longer, for example 3d or 12h.", show_default=False)],
) -> Args:
    """Hold the present phase longer."""
    return {"duration": duration}


@asks(Verb.BACK)
def back(phase: Annotated[str, typer.Argument(help="A phase of the plan, by name.", show_default=False)]) -> Args:
    """Go back to an earlier phase, with less exposure."""
    return {"phase": phase}


def _ask(name: str, verb: Verb, args: Args, shared: Shared) -> None:
    by, seen = person(shared.by), Seen(revision=shared.revision)
    with client(shared.data, shared.server) as sluice:
        result = sluice.command(name, verb, by, shared.reason, seen, args, check=shared.check)
    told = [("would do" if shared.check else "done", str(result["effect"])), ("revision", str(result["revision"]))]
    emit(result, render.pairs(told), as_json=shared.as_json)


def _setting(text: str) -> tuple[str, Any]:
    """`min_confidence=0.8` as a key and a value: true, false and numbers are read as such, the rest is text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} is not KEY=VALUE; write for example min_confidence=0.8")
    return key, _value(value)


def _value(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
