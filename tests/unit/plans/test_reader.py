"""The strict YAML reader: what is typed, what stays text, what is refused, and on which line."""

from __future__ import annotations

import pytest

from plans.reader import Unreadable, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10:00", "10:00"),
        ("010", "010"),
        ("NO", "NO"),
        ("off", "off"),
        ("yes", "yes"),
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01 09:00", "2026-12-01 09:00"),
        ("1_000", "1_000"),
        ("0.5.1", "0.5.1"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("<<", "<<"),
        ("1", 1),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("0.7", 0.7),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_only_what_yaml_1_2_calls_a_number_or_a_boolean_is_typed(text: str, value: object) -> None:
    """Times, dates, NO and numbers with a leading zero stay text, and so does everything quoted."""
    found = read(f"key: {text}")
    assert isinstance(found.data, dict)
    assert (value, type(value)) == (found.data["key"], type(found.data["key"]))
    assert not found.faults


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "appears twice, first on line 1"),
        ("a: &x 1", 1, "anchors such as &x"),
        ("a: 1\nb: *x", 2, "aliases such as *x"),
        ("a: !!str 1", 1, "tags such as"),
        ("a: !mine {b: 1}", 1, "tags such as !mine"),
        ("1: a", 1, "the key 1 is not text"),
        ("true: a", 1, "the key true is not text"),
        ("a: 1\n? [b]\n: c", 2, "lists, mappings and aliases cannot be keys"),
        ("a: .nan", 1, "cannot be held exactly"),
        ("a: -.inf", 1, "cannot be held exactly"),
        ("a: 1e999", 1, "cannot be held exactly"),
        ("a: 9007199254740993", 1, "cannot be held exactly"),
        ("a: 0x" + "f" * 5000, 1, "cannot be held exactly"),
    ],
)
def test_what_a_strict_reader_objects_to_is_told_with_its_line(text: str, line: int, words: str) -> None:
    """Nothing is resolved silently; reading goes on to the next problem."""
    assert [(line, True)] == [(number, words in fault.message) for number, fault in read(text).faults]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "holds no plan"),
        ("# nothing\n", 1, "holds no plan"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("a: [1, 2\nb: 3", 2, "not YAML"),
        ("a: 1\n b: 2", 2, "not YAML"),
        ("a: 1\nb: 'open", 2, "not YAML"),
        ("a: 1\n\tb: 2", 2, "not YAML"),
        ('a: "\\U00110000"', 1, "not YAML"),
        ("[" * 100_000, 1, "nested deeper than 20"),
        ("{a: " * 60_000, 1, "nested deeper than 20"),
        ("- " * 100_000, 1, "nested deeper than 20"),
        ("#" * 256_001, 0, "larger than 256 kB"),
        ("é" * 130_000, 0, "larger than 256 kB"),
    ],
)
def test_what_cannot_be_read_stops_with_its_line(text: str, line: int, words: str) -> None:
    """Broken syntax, bottomless nesting and floods end the reading and nothing else."""
    with pytest.raises(Unreadable) as stopped:
        read(text)
    assert (line, True) == (stopped.value.line, words in stopped.value.message)


def test_twenty_levels_are_enough_and_one_more_is_refused() -> None:
    """The limit itself is allowed."""
    assert read("[" * 20 + "]" * 20).data
    with pytest.raises(Unreadable):
        read("[" * 21 + "]" * 21)


def test_every_place_has_its_line() -> None:
    """Keys, items and values in flow style, whatever ends the lines."""
    for ending in ("\n", "\r\n", "\r"):
        found = read("\ufeffa: 1\nb:\n  - c: 2\n  - {d: 3,\n     e: 4}\n".replace("\n", ending))
        assert [1, 2, 3, 3, 4, 5] == [
            found.line(path) for path in [("a",), ("b",), ("b", 0), ("b", 0, "c"), ("b", 1, "d"), ("b", 1, "e")]
        ]
        assert found.line(("b", 1, "missing")) == 4
