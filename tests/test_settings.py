"""Where settings come from, and references to secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import SecretError, Settings, default_cache_dir, resolve_secret


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "SCHEMA_REGISTRY_URL", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "field", "found"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2", "kafka_bootstrap_servers", "a:1,b:2"),
        ("GATEWAY_KAFKA_BOOTSTRAP_SERVERS", "a:1", "kafka_bootstrap_servers", "a:1"),
        ("REDIS_URL", "redis://r", "redis_url", "redis://r"),
        ("SCHEMA_REGISTRY_URL", "http://s", "schema_registry_url", "http://s"),
        ("GATEWAY_TOPIC_PREFIX", "x.", "topic_prefix", "x."),
        ("GATEWAY_INBOX_PORT", "9000", "inbox_port", 9000),
        ("GATEWAY_DATA_DIR", "/d", "data_dir", Path("/d")),
        ("GATEWAY_JAVA_HOME", "/j", "java_home", Path("/j")),
        ("KAFKA_BOOTSTRAP_SERVERS", "", "kafka_bootstrap_servers", None),
        ("PATH_NOT_OURS", "x", "inbox_port", 8080),
    ],
)
def test_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, found: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(Settings(), field) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [("GATEWAY_TOPIC_PREFIX", "a b"), ("GATEWAY_INBOX_PORT", "70000"), ("GATEWAY_KAFKA_HEAP", "much")],
)
def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_an_external_kafka_has_more_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().conversation_partitions == 4
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1")
    assert Settings().conversation_partitions == 12


@pytest.mark.parametrize("home", ["", None])
def test_an_empty_home_is_looked_up(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    assert default_cache_dir().is_absolute()
    assert default_cache_dir().parts[-2:] == (".cache", "channel-gateway")


def test_secrets_behind_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    (tmp_path / "token").write_text("fr0m file\n")
    assert resolve_secret("env:TOKEN") == "s3cret"
    assert resolve_secret(f"file:{tmp_path}/token") == "fr0m file"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:NOT_SET_HERE", "set the environment variable NOT_SET_HERE"),
        ("file:/not/there", "file:/not/there cannot be read: FileNotFoundError"),
        ("file:/dev/null", "is empty"),
        ("env:", "env:NAME or file:PATH"),
        ("EAAG-a-token-put-here-by-mistake", "env:NAME or file:PATH"),
    ],
)
def test_a_reference_without_a_secret(reference: str, message: str) -> None:
    with pytest.raises(SecretError, match=message) as caught:
        resolve_secret(reference)
    assert "EAAG" not in str(caught.value)
