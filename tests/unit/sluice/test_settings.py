"""What the operator sets, and in which order it counts."""

from pathlib import Path

import pytest

from sluice import up
from sluice.errors import UnreachableError, UsageError
from sluice.settings import read
from sluice.sources import known
from state.clock import wall
from state.credentials import Scope
from state.database import connect, migrate, sqlite_url
from state.store import Store


def test_a_variable_beats_the_file_and_an_option_beats_both(tmp_path: Path) -> None:
    """The nearer to the command, the stronger."""
    (tmp_path / "sluice.toml").write_text('port = 1001\nprefect_port = 1002\nenvironment = "staging"\n')
    settings = read({"SLUICE_DATA": str(tmp_path), "SLUICE_PORT": "2001", "SLUICE_PREFECT_PORT": "2002"}, port=3001)
    assert (settings.port, settings.prefect_port, settings.environment) == (3001, 2002, "staging")


def test_without_anything_set_the_documented_defaults_hold(tmp_path: Path) -> None:
    """./.sluice, 127.0.0.1, 8800 and 4200."""
    settings = read({})
    assert (Path(".sluice"), "127.0.0.1", 8800, 4200) == (
        settings.data,
        settings.host,
        settings.port,
        settings.prefect_port,
    )
    assert (settings.url, settings.prefect_url) == ("http://127.0.0.1:8800", "http://127.0.0.1:4200")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "prot: unknown key; did you mean 'port'?"),
        ("zzz = 1", "zzz: unknown key; known: host, port"),
        ("port = 'x'", "port: 'x' is not a port; give a number from 1 to 65535"),
        ("port = true", "port: True is not a port"),
        ("port = 0", "port: 0 is not a port"),
        ("database_url = 3", "database_url: 3 is not text; put it in quotes"),
        ("port =", "not TOML"),
        ("data = 'x'", "data: unknown key"),
    ],
)
def test_a_slip_in_the_file_is_refused_with_place_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    """The file, the key, the rule and what to write instead."""
    (tmp_path / "sluice.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read({}, data=tmp_path)
    assert str(tmp_path / "sluice.toml") in str(caught.value)
    assert message in str(caught.value)


def test_a_misspelt_variable_is_refused() -> None:
    """A setting that silently does nothing is worse than none."""
    with pytest.raises(UsageError, match="SLUICE_PROT: unknown variable; did you mean SLUICE_PORT"):
        read({"SLUICE_PROT": "1"})


def test_a_variable_of_another_tool_is_left_alone() -> None:
    """The prefix belongs to nobody."""
    assert read({"SLUICE_CAMPAIGN": "1"}) == read({})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.com"])  # noqa: S104 - never listened on
def test_prefect_stays_on_loopback_wherever_the_flag_server_listens(host: str) -> None:
    """Prefect's server knows no users, so nobody elsewhere may reach it."""
    settings = read({}, host=host)
    assert (host, "http://127.0.0.1:4200") == (settings.host, settings.prefect_url)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.com"])  # noqa: S104 - refused
def test_a_host_that_others_can_reach_is_refused_without_keys(tmp_path: Path, host: str) -> None:
    """Whoever reaches the server could move a rollout; the message says how to make a key."""
    with pytest.raises(UsageError, match=r"needs keys, and there are none yet; make one with `sluice keys create"):
        up.run(read({}, data=tmp_path, host=host), print)


def test_a_revoked_key_does_not_open_a_host_to_others(tmp_path: Path) -> None:
    """Only a live key counts, and with one the next thing that is looked at is the port."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "test")
    store.create_key("ci", None, [Scope.ADMIN], "pm", wall())
    with pytest.raises(UnreachableError, match=r"port 8800 on 203\.0\.113\.9 is taken"):
        up.run(read({}, data=tmp_path, host="203.0.113.9"), print)
    store.revoke_key("ci", "pm", wall())
    with pytest.raises(UsageError, match="there are none yet"):
        up.run(read({}, data=tmp_path, host="203.0.113.9"), print)
    engine.dispose()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_hosts_are_taken(host: str) -> None:
    """In every spelling."""
    assert host == read({}, host=host).host


def test_people_may_reach_it_elsewhere(tmp_path: Path) -> None:
    """The address goes to the processes that write links; what is no address is refused."""
    settings = read({"SLUICE_DATA": str(tmp_path), "SLUICE_PUBLIC_URL": "https://sluice.example.com"}, host="10.0.0.7")
    told = up.child_environment(settings, {})
    assert ("https://sluice.example.com", settings.url) == (told["SLUICE_PUBLIC_URL"], told["SLUICE_BOARD"])
    with pytest.raises(UsageError, match=r"public_url 'sluice\.example\.com' is not an address"):
        read({"SLUICE_PUBLIC_URL": "sluice.example.com"})


def test_one_port_for_both_servers_is_refused() -> None:
    """Said before anything is started."""
    with pytest.raises(UsageError, match="port 4200 is asked for twice"):
        read({}, port=4200)


def test_sources_are_read_where_plans_are_checked(tmp_path: Path) -> None:
    """A mistake in a source is told by `validate`, `preview` and `up`, and keeps no other command from working."""
    (tmp_path / "sluice.toml").write_text('port = 8801\n[sources.prom]\nkind = "graphite"\n', encoding="utf-8")
    settings = read({}, data=tmp_path)
    assert 8801 == settings.port
    with pytest.raises(UsageError, match=r"sluice.toml: sources.prom: kind is missing or unknown"):
        known(settings)
    (tmp_path / "sluice.toml").write_text('[sources.prom]\nkind = "prometheus"\nurl = "http://x"\n', encoding="utf-8")
    assert frozenset({"events", "prom"}) == known(settings).sources
    assert known(settings, offline=True).offline
