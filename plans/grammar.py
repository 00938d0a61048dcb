"""What all the small languages inside a plan share: reading text by a pattern, and serving as pydantic field types."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic_core import core_schema

from plans.problems import shown

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"


class Expression(ABC):
    """A value written as text in a plan; pydantic reads it by `parse` and writes it by `text`."""

    __slots__ = ()

    PATTERN: ClassVar[str]
    FORM: ClassVar[str]
    EXAMPLES: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """The value that the text means; raises ValueError with a remedy."""

    @property
    @abstractmethod
    def text(self) -> str:
        """Words that `parse` reads back to an equal value."""

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _match(cls, text: str) -> re.Match[str]:
        found = re.fullmatch(cls.PATTERN, " ".join(text.split()))
        if found is None:
            raise ValueError(f"{shown(text)} cannot be read; write {cls.FORM}")
        return found

    @classmethod
    def _read(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not text; write {cls.FORM}")  # noqa: TRY004 - pydantic collects ValueError
        return cls.parse(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(_text, return_schema=core_schema.str_schema())
        return core_schema.no_info_plain_validator_function(cls._read, serialization=as_text)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return cls.json_schema()

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The text as JSON Schema describes it, for editors."""
        pattern = f"^\\s*(?:{_unnamed(cls.PATTERN)})\\s*$"
        return {"type": "string", "pattern": pattern, "examples": list(cls.EXAMPLES), "description": cls.FORM}


def _unnamed(pattern: str) -> str:
    """The pattern in ECMAScript's terms, which JSON Schema speaks: groups without Python's names."""
    return re.sub(r"\(\?P<[a-z]+>", "(?:", pattern)


def _text(value: Expression) -> str:
    return value.text
