"""Settings. The only module that reads the environment."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SecretError(ValueError):
    """A reference to a secret cannot be resolved. The message names the reference, never the secret."""


def _home() -> Path:
    # HOME may be unset or empty (services, fresh containers).
    return Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)


def _directory(variable: str, *below_home: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else _home().joinpath(*below_home)) / "channel-gateway"


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/channel-gateway`, else `~/.cache/channel-gateway`: what can be downloaded again."""
    return _directory("XDG_CACHE_HOME", ".cache")


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/channel-gateway`, else `~/.local/share/channel-gateway`: records of the embedded Kafka."""
    return _directory("XDG_DATA_HOME", ".local", "share")


def _external(name: str) -> AliasChoices:
    return AliasChoices(name, f"GATEWAY_{name}")


class Settings(BaseSettings):
    """All settings, read from environment variables with the prefix GATEWAY_ (three have well-known names)."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_ignore_empty=True, frozen=True, populate_by_name=True
    )

    kafka_bootstrap_servers: str | None = Field(
        None,
        validation_alias=_external("KAFKA_BOOTSTRAP_SERVERS"),
        description="A Kafka of your own; none = embedded.",
    )
    redis_url: str | None = Field(
        None, validation_alias=_external("REDIS_URL"), description="A Redis of your own; none = embedded."
    )
    schema_registry_url: str | None = Field(
        None,
        validation_alias=_external("SCHEMA_REGISTRY_URL"),
        description="Confluent framing with this registry.",
    )

    topic_prefix: str = Field("cg.", pattern=r"^[A-Za-z0-9._-]*$", description="Begins every topic's name.")
    partitions: int = Field(12, ge=1, description="Partitions of every conversation-keyed topic.")
    embedded_partitions: int = Field(4, ge=1, description="The same on the embedded Kafka.")

    host: str = Field("127.0.0.1", description="Address that the services listen on.")
    inbox_port: int = Field(8080, ge=0, le=65535)
    connectors_port: int = Field(8081, ge=0, le=65535)
    simulators_port: int = Field(8090, ge=0, le=65535)
    log_port: int = Field(8082, ge=0, le=65535, description="Health and metrics of the conversation log.")
    processors_port: int = Field(8083, ge=0, le=65535, description="Health and metrics of the processors.")
    bots_port: int = Field(8084, ge=0, le=65535, description="Health and metrics of the bots service.")
    bots_allowed_origins: str = Field(
        "",
        description="Origins of webhook bots on private addresses, e.g. http://bot.internal:9000; commas between.",
    )
    instance: str | None = Field(
        None, description="This worker's name, the same after a restart; none = host."
    )

    completion_rate: int = Field(
        500,
        ge=1,
        description="Due timers per second that one completion worker proposes, or one log worker applies.",
    )

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Data of the embedded Kafka and Redis."
    )
    cache_dir: Path = Field(default_factory=default_cache_dir, description="Kafka's jars.")
    kafka_port: int | None = Field(None, description="Port of the embedded Kafka; none = a free one.")
    redis_port: int | None = Field(None, description="Port of the embedded Redis; none = a free one.")
    kafka_heap: str = Field("512m", pattern=r"^\d+[kmgKMG]$", description="Java heap of the embedded Kafka.")
    java_home: Path | None = Field(
        None,
        validation_alias=AliasChoices("GATEWAY_JAVA_HOME"),
        description="A Java (17 or newer) for the embedded Kafka instead of the bundled one.",
    )

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def conversation_partitions(self) -> int:
        """The partition count that holds for this cluster."""
        return self.partitions if self.kafka_bootstrap_servers else self.embedded_partitions


def child_environment(extra: dict[str, str]) -> dict[str, str]:
    """The environment for a child process: ours with `extra` on top."""
    return {**os.environ, **extra}


def resolve_secret(reference: str) -> str:
    """The secret behind `env:NAME` or `file:PATH` (whitespace at the end of a file is dropped).

    Raises SecretError when the form is wrong or there is nothing behind it.
    """
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        value = os.environ.get(place, "")
        if not value:
            raise SecretError(f"The secret {reference} is not set: set the environment variable {place}.")
        return value
    if kind == "file" and place:
        try:
            value = Path(place).read_text().rstrip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"The secret {reference} cannot be read: {type(error).__name__}.") from None
        if not value:
            raise SecretError(f"The secret {reference} is empty.")
        return value
    # The reference itself is not shown: it may be the secret, put there by mistake.
    raise SecretError("A secret must be given as a reference, env:NAME or file:PATH.")
