"""A drawn plan as a file: SVG as it is, PNG by resvg."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import RefusedError, UsageError

SUFFIXES = (".svg", ".png")
ZOOM = 2.0  # sharp on a slide
FAMILIES = (
    "Inter",
    "Helvetica",
    "Arial",
    "Liberation Sans",
    "DejaVu Sans",
    "Noto Sans",
    "Open Sans",
    "Ubuntu",
    "Segoe UI",
)
PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">{}</svg>'
WORD = '<text x="2" y="15" font-family="sans-serif">Ag</text>'


def check(file: Path) -> None:
    """Raises UsageError for a name that is neither an .svg nor a .png."""
    if file.suffix not in SUFFIXES:
        raise UsageError(f"{file}: a picture is an .svg or a .png; name a file such as {file.with_suffix('.svg')}")


def write(file: Path, svg: str) -> None:
    """Write a picture in the form that the file's name asks for.

    Raises RefusedError where what draws PNG is not there, UsageError for a file that cannot be written.
    """
    content = png(svg) if file.suffix == ".png" else svg.encode()
    try:
        file.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


def png(svg: str) -> bytes:
    """The picture in dots, twice as many as it has pixels.

    Raises RefusedError where resvg is not installed, or where this machine has no font to write the words with.
    """
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        remedy = "pip install 'sluice[plot]' brings it; an .svg does without"
        raise RefusedError(f"PNG is drawn by resvg, which is not installed; {remedy}") from error
    blank = svg_to_bytes(svg_string=PROBE.format(""))
    for family in FAMILIES:
        if svg_to_bytes(svg_string=PROBE.format(WORD), sans_serif_family=family) != blank:
            return bytes(svg_to_bytes(svg_string=svg, sans_serif_family=family, zoom=ZOOM))
    remedy = "install one, for example Debian's fonts-dejavu-core, or draw an .svg"
    raise RefusedError(f"no font to write the words of a PNG with; {remedy}")
