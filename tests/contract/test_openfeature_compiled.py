"""The guide's programs in Go and Java, with the real OpenFeature SDKs and their OFREP providers.

Both fetch their packages, so they run where `go`, or `java` and `mvn`, are installed and reach a module proxy or a
repository; elsewhere they are skipped by name.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.test_serve import GUIDE, SAID, serving

FETCH_SECONDS = 300


def fetched(folder: Path, *words: str) -> None:
    """The packages of a program; skipped where they cannot be had."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    if done.returncode:
        said = next(filter(None, (done.stderr + done.stdout).splitlines()), "")
        pytest.skip(f"{words[0]} could not fetch its packages: {said[:200]}")


@pytest.fixture(params=["go", "java"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """The command that runs the guide's program in one language."""
    needs = {"go": ("go",), "java": ("java", "mvn")}[request.param]
    if missing := [tool for tool in needs if not shutil.which(tool)]:
        pytest.skip(f"{', '.join(missing)} not installed, so the guide's program in {request.param} is not run")
    made: tuple[str, ...] = {"go": _go, "java": _java}[request.param](tmp_path)
    return made


def _go(folder: Path) -> tuple[str, ...]:
    for name in ("go.mod", "app.go"):
        shutil.copy(GUIDE / name, folder)
    fetched(folder, "go", "list", "-mod=mod", "-deps", ".")
    subprocess.run(["go", "vet", "-mod=mod", "."], cwd=folder, check=True)
    subprocess.run(["go", "build", "-mod=mod", "-o", "app", "."], cwd=folder, check=True)
    return (str(folder / "app"),)


def _java(folder: Path) -> tuple[str, ...]:
    shutil.copy(GUIDE / "pom.xml", folder)
    quietly = ("--batch-mode", "--quiet", "-Dstyle.color=never")
    fetched(folder, "mvn", *quietly, "dependency:copy-dependencies", "-DoutputDirectory=lib")
    return ("java", "-cp", str(folder / "lib" / "*"), str(GUIDE / "App.java"))


def test_the_program_in_the_documentation_obeys_its_flag(program: tuple[str, ...]) -> None:
    """With the candidate, with stable and switched off: it shows what is pinned and reports what it did."""
    for pin, said in SAID:
        with serving("--pin", pin) as (address, printed):
            command = [*program, address, "lawyer-1"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (0, f"{said}\n") == (done.returncode, done.stdout), done.stderr
            assert ["case-law-ai", "lawyer-1", "request"] == printed.readline().split()
