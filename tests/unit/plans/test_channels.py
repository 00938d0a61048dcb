"""`[channels.NAME]`: what is set up, and what is told of a slip without telling a secret."""

from pathlib import Path

import pytest

from plans.channels import Place, from_folder
from plans.load import Known

PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GOOD = f"""
[channels.slack-ai]
kind = "apprise"
url = {{variable = "SLACK_URL"}}

[channels.ci]
kind = "webhook"
url = "https://ci.example.com/hook"
secret = "{PUBLISHED}"

[reminders]
after = "4h"
every = "1d"
"""


def read(folder: Path, text: str) -> tuple[str, ...]:
    """What is told of a file."""
    (folder / "sluice.toml").write_text(text, encoding="utf-8")
    return from_folder(folder).problems


def test_channels_and_reminders_are_what_the_file_says(tmp_path: Path) -> None:
    """Both kinds, with secrets in the file or where it says."""
    assert read(tmp_path, GOOD) == ()
    found = from_folder(tmp_path)
    assert found.names == {"log", "slack-ai", "ci"}
    assert found.channels["slack-ai"].url == Place(variable="SLACK_URL")
    assert (found.reminders.after.text, found.reminders.every.text) == ("4h", "1d")
    assert from_folder(tmp_path / "nowhere").names == {"log"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'kind = "webhook"',
            'kind = "web"',
            'channels.ci: kind is missing or unknown; write kind = "apprise" or "webhook"',
        ),
        ('kind = "webhook"', "", 'channels.ci: kind is missing or unknown; write kind = "apprise" or "webhook"'),
        ("secret =", "secert =", "channels.ci.secert: unknown key; did you mean 'secret'?"),
        ("secret =", "secert =", "channels.ci.secret: is missing"),
        ("https://", "ftp://", "channels.ci: url is no address; write https://host/path"),
        ("https://", "https://user:pass@", "channels.ci: url is no address; write https://host/path, without user"),
        (PUBLISHED, "whsec_c2hvcnQ=", "channels.ci: secret has 5 bytes; 24 to 64 are asked for"),
        (PUBLISHED, "not base64!", "channels.ci: secret is not base64"),
        ('{variable = "SLACK_URL"}', '""', "channels.slack-ai.url: is empty"),
        ('{variable = "SLACK_URL"}', "{}", "channels.slack-ai.url: name one place to read it from"),
        ("channels.ci", "channels.log", "channels.log: is built in; choose another name"),
        ("channels.ci", "channels.prefect", "channels.prefect: is built in; choose another name"),
        ('after = "4h"', 'after = "4 hours"', "reminders.after: '4 hours' cannot be read; write a whole number"),
        ('after = "4h"', 'after = "1s"', "reminders.after: 1s is out of range"),
        ("[reminders]", "[reminders", "sluice.toml: "),
    ],
)
def test_a_slip_is_told_with_its_place_and_remedy(tmp_path: Path, old: str, new: str, told: str) -> None:
    """One line each; the rest of the file counts."""
    assert any(told in problem for problem in read(tmp_path, GOOD.replace(old, new))), from_folder(tmp_path).problems


def test_no_message_holds_a_secret(tmp_path: Path) -> None:
    """Whatever is wrong with it, what was written is not repeated."""
    text = GOOD.replace('{variable = "SLACK_URL"}', '{tokn = "hunter2"}').replace(PUBLISHED, "hunter2")
    problems = read(tmp_path, text)
    assert len(problems) >= 2
    assert not [problem for problem in problems if "hunter2" in problem]


def test_a_wrong_channel_leaves_the_others_alone(tmp_path: Path) -> None:
    """It is kept by name with what is wrong, for the plans that name it."""
    read(tmp_path, GOOD.replace('kind = "webhook"', 'kind = "web"'))
    found = from_folder(tmp_path)
    assert (set(found.channels), set(found.faulty)) == ({"slack-ai"}, {"ci"})
    assert found.added(Known()).faulty["ci"].startswith(str(tmp_path / "sluice.toml"))
