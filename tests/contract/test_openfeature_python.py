"""What an application sees through the real OpenFeature SDK and its OFREP provider."""

from collections.abc import Iterator

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from rollout.exposure import bucket
from tests.contract.flag_server import FlagServer, started_rollout
from tests.waiting import until

FLAG = "case-law-ai"
TEAM = EvaluationContext("u-1", {"email": "pm@example.com"})
VIP = EvaluationContext("u-1", {"tier": ["gold", "vip"]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlagServer]:
    with started_rollout(tmp_path_factory.mktemp("python-client")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: FlagServer) -> Iterator[OpenFeatureClient]:
    provider = OFREPProvider(server.url)
    api.set_provider(provider)
    yield api.get_client()
    api.shutdown()
    provider.session.close()


def test_every_layer_arrives_with_its_type(client: OpenFeatureClient) -> None:
    """Object, boolean, string, float and integer flags all resolve for the candidate and for stable."""
    candidate = {"enabled": True, "model": "v2.4", "min_confidence": 0.8, "top_k": 5}
    assert candidate == client.get_object_value(FLAG, {}, TEAM)
    assert client.get_boolean_value(f"{FLAG}.enabled", False, TEAM) is True
    assert "v2.3" == client.get_string_value(f"{FLAG}.model", "none", VIP)
    assert 1.0 == client.get_float_value(f"{FLAG}.min_confidence", 0.0, VIP)
    assert 3 == client.get_integer_value(f"{FLAG}.top_k", 0, VIP)


def test_details_carry_variant_reason_and_flat_metadata(client: OpenFeatureClient) -> None:
    """What an application needs to report an outcome comes with every evaluation."""
    details = client.get_string_details(f"{FLAG}.model", "none", TEAM)
    assert (Reason.TARGETING_MATCH, "candidate", None) == (details.reason, details.variant, details.error_code)
    metadata = dict(details.flag_metadata)
    assert ("case-law-v24", "beta", 30.0, 1) == tuple(
        metadata[key] for key in ("rollout", "phase", "exposure", "revision")
    )


def test_the_same_users_are_exposed_that_the_hash_says(client: OpenFeatureClient) -> None:
    """Three hundred users fall as their buckets do, each with reason SPLIT."""
    users = [f"user-{number}" for number in range(300)]
    expected = ["v2.4" if bucket("case-law-v24", user) < 30_000 else "v2.3" for user in users]
    details = [client.get_string_details(f"{FLAG}.model", "none", EvaluationContext(user)) for user in users]
    assert expected == [one.value for one in details]
    assert {Reason.SPLIT} == {one.reason for one in details}


def test_errors_leave_the_default_and_say_why(client: OpenFeatureClient) -> None:
    """An unknown flag and a missing targeting key are named; a wrong type is the client's own refusal."""
    unknown = client.get_string_details("nothing", "mine", TEAM)
    keyless = client.get_string_details(f"{FLAG}.model", "mine", EvaluationContext())
    mistyped = client.get_integer_details(f"{FLAG}.model", 7, TEAM)
    assert ("mine", ErrorCode.FLAG_NOT_FOUND) == (unknown.value, unknown.error_code)
    assert ("mine", ErrorCode.TARGETING_KEY_MISSING) == (keyless.value, keyless.error_code)
    assert (7, ErrorCode.TYPE_MISMATCH) == (mistyped.value, mistyped.error_code)


def test_a_kill_reaches_applications_and_leaves_something_deployed(
    client: OpenFeatureClient, server: FlagServer
) -> None:
    """After kill every user has `enabled` false and stable's values, reason STATIC; restore brings the split back."""
    who = {"by": "pm@example.com", "reason": "false citations"}
    try:
        server.post(f"/v1/flags/{FLAG}/kill", who)
        until(lambda: not client.get_boolean_value(f"{FLAG}.enabled", True, TEAM), "the kill is served", every=0.005)
        details = client.get_object_details(FLAG, {}, TEAM)
        expected = {"enabled": False, "model": "v2.3", "min_confidence": 1.0, "top_k": 3}
        assert (expected, Reason.STATIC, "off") == (details.value, details.reason, details.variant)
    finally:
        server.post(f"/v1/flags/{FLAG}/restore", who)
    until(lambda: client.get_boolean_value(f"{FLAG}.enabled", False, TEAM), "the restore is served", every=0.005)
