"""Settings: the environment as typed values, and a clear word when it is incomplete."""

from __future__ import annotations

import pytest

from sumflow.errors import UsageError
from sumflow.settings import AdderSettings, Address, load

DECLARED = {
    "POSTGRES_ADDRESS": "adder-postgres.sumflow.svc.cluster.local:5432",
    "POSTGRES_USER": "adder",
    "POSTGRES_PASSWORD": "12345",
    "POSTGRES_DB": "adder",
    "METRICS_LISTEN": "0.0.0.0:9090",
    "GRPC_LISTEN": "0.0.0.0:50051",
    "INSTANCE": "adder-0",
}


def test_settings_are_typed() -> None:
    """Addresses and numbers arrive as such; a password of digits stays a text; unset options have their defaults."""
    settings = load(AdderSettings, DECLARED | {"ADDER_MAX_PENDING": "7", "UNRELATED": "x"})
    assert settings.grpc_listen == Address("0.0.0.0", 50051)  # noqa: S104
    assert settings.postgres_password == "12345"
    assert settings.adder_max_pending == 7
    assert settings.adder_commit_timeout_s == 5.0


def test_a_missing_variable_is_named() -> None:
    """The error says which variable is missing."""
    with pytest.raises(UsageError, match="POSTGRES_USER"):
        load(AdderSettings, {k: v for k, v in DECLARED.items() if k != "POSTGRES_USER"})


def test_a_number_that_is_none_is_named() -> None:
    """The error says which variable is wrong."""
    with pytest.raises(UsageError, match="ADDER_MAX_PENDING"):
        load(AdderSettings, DECLARED | {"ADDER_MAX_PENDING": "many"})


@pytest.mark.parametrize("text", ["localhost", ":1", "h:", "h:65536", "h:-1", "h:x"])
def test_an_address_is_host_and_port(text: str) -> None:
    """Anything else is refused with the variable and the text that was given."""
    with pytest.raises(UsageError, match=f"METRICS_LISTEN: '{text}' is not host:port"):
        load(AdderSettings, DECLARED | {"METRICS_LISTEN": text})
