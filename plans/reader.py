"""Strict YAML: text becomes plain data plus the line of every place, or problems with theirs.

Built on the events of PyYAML's pure parser, which no nesting can crash. Only what YAML 1.2's core schema calls null,
true, false, integers and floats is typed, and only where it is written plain; `10:00`, `010`, `NO`, dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from plans.problems import Fault, Path, shown

LARGEST = 256_000
DEEPEST = 20
MOST_REPORTED = 20
SAFE_INTEGER = 2**53

Data = bool | int | float | str | list["Data"] | dict[str, "Data"] | None

WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"  # control characters, halves of a pair, no characters
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"  # direction and line separators
)


class Unreadable(Exception):
    """The text cannot be read further; holds the line and what is wrong there."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Document:
    """What was read: data, the line of every place in it (from 1), and what a strict reader objects to."""

    data: Data = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[int, Fault]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a place, else that of the nearest place around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """The text as a document; raises Unreadable where it is too large, is no YAML, or is nested too deeply."""
    if len(text) > LARGEST or len(text.encode(errors="surrogatepass")) > LARGEST:
        raise Unreadable(0, "larger than 256 kB; a plan describes one rollout and fits in a few")
    document = Document()
    printable = _printable(text, document)
    events = _Events(printable)
    try:
        _Builder(events, document).build()
    except yaml.MarkedYAMLError as wrong:
        raise Unreadable(_line_of(wrong), f"not YAML: {_words(wrong)}") from None
    except (ValueError, OverflowError):  # from chr() and int() on escapes and versions
        raise Unreadable(events.line + 1, "not YAML: a number here is beyond what YAML allows") from None
    return document


class _Events(Reader, Scanner, Parser):
    """PyYAML's pure pipeline as far as events."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def take(self) -> Event:
        """The next event of the stream."""
        event = self.get_event()  # type: ignore[no-untyped-call]
        assert isinstance(event, Event)  # noqa: S101 - the stream's end is read once
        return event

    def ahead(self) -> Event:
        """The next event, left in the stream."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        assert isinstance(event, Event)  # noqa: S101 - as above
        return event

    def peek_is(self, kind: type[Event]) -> bool:
        """Whether the next event is of a kind."""
        return bool(self.check_event(kind))


class _Builder:
    """One walk over the events, collecting data, lines and faults."""

    def __init__(self, events: _Events, document: Document) -> None:
        self.events = events
        self.document = document

    def build(self) -> None:
        """Read the only document of the stream."""
        self._expect(StreamStartEvent)
        if self.events.peek_is(StreamEndEvent):
            raise Unreadable(1, "the file holds no plan; begin with `sluice: 1`")
        self._expect(DocumentStartEvent)
        self.document.data = self._node((), 1)
        self.events.take()
        if not self.events.peek_is(StreamEndEvent):
            raise Unreadable(_line(self.events.take()), "a second document begins here; one file holds one plan")

    def _expect(self, kind: type[Event]) -> None:
        event = self.events.take()
        if not isinstance(event, kind):
            raise Unreadable(_line(event), "not YAML: the file does not begin with a document")

    def _node(self, path: Path, depth: int) -> Data:
        event = self.events.take()
        assert isinstance(event, NodeEvent)  # noqa: S101 - the parser yields nothing else here
        self.document.lines.setdefault(path, _line(event))
        if isinstance(event, AliasEvent):
            self._fault(event, path, f"aliases such as *{event.anchor} are refused; write the value out")
            return None
        self._undecorated(event, path)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if depth > DEEPEST:
            raise Unreadable(_line(event), f"nested deeper than {DEEPEST}; a plan needs far less")
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _undecorated(self, event: NodeEvent, path: Path) -> None:
        if event.anchor is not None:
            self._fault(event, path, f"anchors such as &{event.anchor} are refused; write the value where it is used")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            self._fault(event, path, f"tags such as {event.tag} are refused; remove it (quotes make text)")

    def _sequence(self, path: Path, depth: int) -> Data:
        items: list[Data] = []
        while not self.events.peek_is(CollectionEndEvent):
            items.append(self._node((*path, len(items)), depth + 1))
        self.events.take()
        return items

    def _mapping(self, path: Path, depth: int) -> Data:
        entries: dict[str, Data] = {}
        while not self.events.peek_is(CollectionEndEvent):
            key, line = self._key(path, depth)
            inner = (*path, key)
            if key in entries:
                first = self.document.lines[inner]
                self._note(line, inner, f"appears twice, first on line {first}; remove one of them")
                self._node(inner, depth + 1)
                continue
            self.document.lines[inner] = line
            entries[key] = self._node(inner, depth + 1)
        self.events.take()
        return entries

    def _key(self, path: Path, depth: int) -> tuple[str, int]:
        event = self.events.ahead()
        if not isinstance(event, ScalarEvent):
            self._fault(event, path, "a key must be text; lists, mappings and aliases cannot be keys")
            self._node((*path, "?"), depth + 1)
            return f"? on line {_line(event)}", _line(event)
        self.events.take()
        self._undecorated(event, path)
        value = self._scalar(event, path)
        if not isinstance(value, str):
            self._fault(
                event, path, f'the key {event.value or "(nothing)"} is not text; put it in quotes: "{event.value}"'
            )
        return str(event.value), _line(event)

    def _scalar(self, event: ScalarEvent, path: Path) -> Data:
        text = str(event.value)
        if HIDDEN.search(text):
            self._fault(event, path, _hidden_words(text))
            return HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
        if event.style is not None or not event.implicit[0]:
            return text
        value = _typed(text)
        if isinstance(value, int | float) and not _exact(value):
            self._fault(event, path, f"{shown(text)} cannot be held exactly; put it in quotes to keep it as text")
            return 0
        return value

    def _fault(self, event: Event, path: Path, message: str) -> None:
        self._note(_line(event), path, message)

    def _note(self, line: int, path: Path, message: str) -> None:
        self.document.faults.append((line, Fault(path, message)))


def _typed(text: str) -> Data:
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else _integer(text)
    if FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf").replace(".nan", "nan")) if text[-1].isalpha() else float(text)
    return text


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= len(str(SAFE_INTEGER)) + 1 else float("inf")


def _exact(value: float) -> bool:
    return abs(value) <= SAFE_INTEGER if isinstance(value, int) else isfinite(value)


def _printable(text: str, document: Document) -> str:
    """The text with everything unseen replaced, so that reading goes on; each line that held some is a fault."""
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if HIDDEN.search(body) is None:
        return body
    hidden = [(number, line) for number, line in enumerate(body.split("\n"), 1) if HIDDEN.search(line)]
    document.faults += [(number, Fault((), _hidden_words(line))) for number, line in hidden[:MOST_REPORTED]]
    if len(hidden) > MOST_REPORTED:
        more = f"{len(hidden) - MOST_REPORTED} more lines hold control or bidirectional characters"
        document.faults.append((0, Fault((), more)))
    return HIDDEN.sub("\N{REPLACEMENT CHARACTER}", body)


def _hidden_words(text: str) -> str:
    found = sorted({f"U+{ord(letter):04X}" for letter in HIDDEN.findall(text)})
    return f"control or bidirectional characters ({', '.join(found[:5])}) are refused; remove them"


def _line(event: Event) -> int:
    return 1 if event.start_mark is None else int(event.start_mark.line) + 1


def _line_of(wrong: yaml.MarkedYAMLError) -> int:
    mark = wrong.problem_mark or wrong.context_mark
    return 1 if mark is None else int(mark.line) + 1


def _words(wrong: yaml.MarkedYAMLError) -> str:
    return " ".join(" ".join(_parts(wrong)).split())


def _parts(wrong: yaml.MarkedYAMLError) -> Iterator[str]:
    if wrong.problem:
        yield str(wrong.problem)
    if wrong.context:
        yield f"({wrong.context})"
