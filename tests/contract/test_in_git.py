"""Plans that are checked where they are changed: the pre-commit hook and the GitHub Action, on a real repository."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.markdown import ROOT, blocks

ACTION = ROOT / ".github" / "actions" / "validate"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
PAGE = ROOT / "docs" / "plans-in-git.md"
GOOD = (ROOT / "plans" / "examples" / "minimal.yaml").read_text(encoding="utf-8")
BETTER = GOOD.replace("hold: 7d", "hold: 9d")
BAD = GOOD.replace("hold: 7d", "hold: soon")
MATCHER = yaml.safe_load((ACTION / "matcher.json").read_text(encoding="utf-8"))["problemMatcher"]


EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")


class Checkout:
    """A git repository in a folder, with `sluice` on its PATH."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        (home / "bin").mkdir(parents=True)
        command = home / "bin" / "sluice"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sluice "$@"\n', encoding="utf-8")
        command.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SLUICE_"))}
        git = {"GIT_AUTHOR_NAME": "ann", "GIT_AUTHOR_EMAIL": "ann@example.com", "GIT_CONFIG_GLOBAL": os.devnull}
        git |= {"GIT_COMMITTER_NAME": "ann", "GIT_COMMITTER_EMAIL": "ann@example.com", "GIT_CONFIG_NOSYSTEM": "1"}
        paths = {"PATH": f"{command.parent}:{Path(sys.executable).parent}:{kept['PATH']}", "PYTHONPATH": str(ROOT)}
        self.environment = kept | git | paths | {"HOME": str(home), "PRE_COMMIT_HOME": str(home / "pre-commit")}
        self.run("git", "init", "--quiet")

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """All that a command prints; it must end as expected."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert code == done.returncode, done.stdout
        return done.stdout

    def write(self, **plans: str) -> None:
        """Plans by name."""
        for name, text in plans.items():
            file = self.folder / "plans" / f"{name}.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def commit(self) -> str:
        """Everything committed without any hook; the commit."""
        self.run("git", "add", ".")
        self.run("git", "commit", "--quiet", "--no-verify", "--message", "plans")
        return self.run("git", "rev-parse", "HEAD").strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A repository with a good plan and a bad one that nobody touches."""
    folder = tmp_path / "repository"
    folder.mkdir()
    made = Checkout(folder, tmp_path / "home")
    made.write(good=GOOD, old=BAD)
    made.commit()
    return made


def test_the_hook_refuses_a_commit_with_a_bad_plan_and_names_its_lines(checkout: Checkout, tmp_path: Path) -> None:
    """Through pre-commit itself: only what is staged is checked, and a good change goes in."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    hooks.joinpath(HOOKS.name).write_bytes(HOOKS.read_bytes())
    source = Checkout(hooks, tmp_path / "elsewhere")
    config = next(blocks("yml", PAGE)).text.replace("https://github.com/OWNER/sluice", str(hooks))
    config = config.replace("v0.1.0", source.commit())
    (checkout.folder / ".pre-commit-config.yaml").write_text(_installed(config), encoding="utf-8")
    checkout.run(sys.executable, "-m", "pre_commit", "install")
    checkout.write(good=BETTER, bad=BAD)
    (checkout.folder / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    checkout.run("git", "add", ".")
    said = checkout.run("git", "commit", "--message", "both", code=1)
    assert "plans/bad.yaml:7: phases[0].hold: 'soon' cannot be read" in said
    assert not re.search(r"old\.yaml|compose", said)
    checkout.run("git", "reset", "--quiet", "plans/bad.yaml")
    checkout.run("git", "commit", "--message", "the good one")
    committed = checkout.run("git", "show", "--name-only", "--format=").split()
    assert [".pre-commit-config.yaml", "compose.yaml", "plans/good.yaml"] == committed


def _installed(config: str) -> str:
    """The configuration of the page, for a machine that has Sluice already, as the page says."""
    return config.replace("- id: sluice-validate\n", "- id: sluice-validate\n        language: system\n")


def act(checkout: Checkout, tmp_path: Path, base: str, *, code: int = 0) -> str:
    """What the action's last step prints, with its inputs as they are left; Sluice counts as installed."""
    action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    step = action["runs"]["steps"][-1]
    known = {f"inputs.{name}": one["default"] for name, one in action["inputs"].items()}
    known |= {"github.event.pull_request.base.sha": base, "runner.temp": str(tmp_path / "runner")}
    environment = {name: EXPRESSION.sub(lambda m: _first(m[1], known), text) for name, text in step["env"].items()}
    environment["GITHUB_ACTION_PATH"] = str(ACTION)
    installed = tmp_path / "runner" / "sluice" / "bin"
    if not installed.exists():
        installed.parent.mkdir(parents=True)
        installed.symlink_to(tmp_path / "home" / "bin")
    return checkout.run("bash", "-c", step["run"], code=code, **environment)


def test_the_action_checks_changed_plans_alone(checkout: Checkout, tmp_path: Path) -> None:
    """A changed bad plan fails it with the line; a changed good one, and none at all, do not."""
    base = checkout.run("git", "rev-parse", "HEAD").strip()
    assert "no plan has changed" in act(checkout, tmp_path, base)
    checkout.write(good=BETTER)
    checkout.commit()
    assert "plans/good.yaml: ok" in act(checkout, tmp_path, base)
    checkout.write(**{"very bad": BAD, "good": GOOD})
    (checkout.folder / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    (checkout.folder / "plans" / "old.yaml").unlink()
    checkout.commit()
    said = act(checkout, tmp_path, base, code=1)
    assert "plans/very bad.yaml:7: phases[0].hold: 'soon' cannot be read" in said
    assert not re.search(r"old\.yaml|compose", said)
    assert ["plans/very bad.yaml:7", "plans/very bad.yaml:7"] == annotated(said)


def test_without_a_commit_to_compare_with_the_action_checks_every_plan(checkout: Checkout, tmp_path: Path) -> None:
    """A new branch, or a history that is gone: rather too many than too few."""
    said = act(checkout, tmp_path, "0" * 40, code=1)
    assert "plans/good.yaml: ok" in said
    assert {"plans/old.yaml:7"} == {*annotated(said)}


def test_no_plan_can_give_the_action_commands(checkout: Checkout, tmp_path: Path) -> None:
    """What is printed of a plan stands between a random word, which ends it."""
    base = checkout.run("git", "rev-parse", "HEAD").strip()
    checkout.write(**{"a\n::add-mask::x\n": BAD})
    checkout.commit()
    lines = act(checkout, tmp_path, base, code=1).splitlines()
    (begin,) = [number for number, line in enumerate(lines) if line.startswith("::stop-commands::")]
    end = lines.index(f"::{lines[begin].removeprefix('::stop-commands::')}::")
    assert begin < lines.index("::add-mask::x") < end


def test_the_page_calls_action_and_hook_by_their_names() -> None:
    """The example workflow uses the action's folder and inputs that it has; the hook's id is in its file."""
    action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    config, workflow = (yaml.safe_load(block.text) for block in blocks("yml", PAGE))
    assert [{hook["id"]} for hook in _steps(config, "hooks")] == [
        {one["id"]} for one in yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    ]
    (used,) = [step for step in _steps(workflow, "steps") if "sluice" in step.get("uses", "")]
    assert "OWNER/sluice/.github/actions/validate@v0.1.0" == used["uses"]
    assert {*used.get("with", {})} <= {*action["inputs"]}


def _first(expression: str, known: Mapping[str, str]) -> str:
    """The first of `a || b` that says something, as GitHub reads it."""
    return next(filter(None, (known.get(name, "") for name in expression.split(" || "))), "")


def annotated(said: str) -> list[str]:
    """The places that GitHub would put an error beside."""
    pattern = MATCHER[0]["pattern"][0]
    found = [re.match(pattern["regexp"], line) for line in said.splitlines()]
    return [f"{one[pattern['file']]}:{one[pattern['line']]}" for one in found if one]


def _steps(node: Any, key: str) -> list[dict[str, Any]]:
    """The lists under a key, wherever it is."""
    if isinstance(node, list):
        return [step for one in node for step in _steps(one, key)]
    if not isinstance(node, dict):
        return []
    return [step for name, one in node.items() for step in (one if name == key else _steps(one, key))]
