"""Kafka's jars: fetched once from Maven by jgo, checked against `kafka.lock`, then used from the cache.

`kafka.lock` has one line per jar: coordinates, size in bytes, SHA-256. Nothing that it does not name ends up
on the class path, and no network is used when the cache is filled. `python -m gateway.embedded.jars` writes it
anew after a change of the coordinates below.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.embedded.process import EmbeddedError

COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.1.1",
    "org.apache.kafka:kafka-tools:4.1.1",
    "org.slf4j:slf4j-simple:1.7.36",
)
# Kafka Connect and what it drags in: half of the megabytes, no part of a broker.
LEFT_OUT = (
    "org.apache.kafka:connect-",
    "org.eclipse.jetty",
    "org.glassfish.",
    "jakarta.",
    "javax.",
    "com.sun.activation",
    "org.apache.maven",
    "org.codehaus.plexus",
    "io.swagger",
    "io.github.classgraph",
    "com.fasterxml.jackson.jakarta.rs",
    "com.fasterxml.jackson.module",
    "org.javassist",
)
LOCK_FILE = Path(__file__).with_name("kafka.lock")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Jar:
    """One locked jar. `size` in bytes, `sha256` in hex."""

    coordinate: str
    size: int
    sha256: str

    def path_in(self, repository: Path) -> Path:
        """Where the jar lies in a Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        return repository.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def locked_jars(lock_file: Path = LOCK_FILE) -> list[Jar]:
    """The jars that the lock file names."""
    rows = (line.split() for line in lock_file.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in rows]


async def class_path(cache_dir: Path, progress: Progress) -> str:
    """Java's class path for Kafka; downloads what the cache lacks.

    Raises EmbeddedError when a jar cannot be had or does not match its hash.
    """
    repository = cache_dir / "maven"
    jars = locked_jars()
    missing = [jar for jar in jars if not _cached(jar, repository)]
    if missing:
        await _download_all(missing, repository, progress)
    return ":".join(str(jar.path_in(repository)) for jar in jars)


def _cached(jar: Jar, repository: Path) -> bool:
    # The hash was checked when the jar came; the size catches a download that was cut off.
    path = jar.path_in(repository)
    return path.exists() and path.stat().st_size == jar.size


async def _download_all(jars: list[Jar], repository: Path, progress: Progress) -> None:
    megabytes = sum(jar.size for jar in jars) / 1e6
    progress(f"Downloading Apache Kafka once: {len(jars)} jars, {megabytes:.0f} MB, to {repository}")
    at_once = asyncio.Semaphore(6)
    done = 0

    async def download(jar: Jar) -> None:
        nonlocal done
        async with at_once:
            await asyncio.to_thread(_download, jar, repository)
        done += 1
        progress(f"  {done}/{len(jars)} {jar.coordinate.split(':')[1]} ({jar.size / 1e6:.1f} MB)")

    try:
        async with asyncio.TaskGroup() as tasks:
            for jar in jars:
                tasks.create_task(download(jar))
    except* EmbeddedError as group:
        first = group.exceptions[0]
    else:
        return
    raise first


def _download(jar: Jar, repository: Path) -> None:
    """Fetches into a directory of its own and moves into place: another process may do the same right now."""
    repository.mkdir(parents=True, exist_ok=True)
    target = jar.path_in(repository)
    with TemporaryDirectory(dir=repository, prefix=".staging-") as staging:
        fetched = _fetch(jar, Path(staging))
        found = hashlib.sha256(fetched.read_bytes()).hexdigest()
        if found != jar.sha256:
            raise EmbeddedError(
                f"{jar.coordinate} does not match its lock: SHA-256 {found}, expected {jar.sha256}. The download "
                "was cut off or altered; start again, and check your proxy if it stays so."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(target)


def _fetch(jar: Jar, staging: Path) -> Path:
    try:
        path: Path = _maven(staging).create_dependency(jar.coordinate).artifact.resolve()
    except Exception as error:
        raise EmbeddedError(
            f"Cannot download {jar.coordinate}: {error}. The first start needs Maven Central (a proxy is taken "
            f"from HTTPS_PROXY). Or copy a filled cache to {staging.parent}, or use a Kafka of your own with "
            "KAFKA_BOOTSTRAP_SERVERS."
        ) from error
    return path


def _maven(repository: Path) -> Any:
    from jgo.maven import MavenContext  # noqa: PLC0415 (half a second that a filled cache need not spend)

    return MavenContext(repo_cache=repository, timeout=60)


def resolve(repository: Path) -> Iterator[Jar]:
    """Resolves the coordinates with all they need (about 40 s of network)."""
    from jgo.parse import Coordinate  # noqa: PLC0415

    maven = _maven(repository)
    wanted = [
        maven.create_dependency(replace(Coordinate.parse(text), scope="compile")) for text in COORDINATES
    ]
    inputs, needed = maven.resolver.resolve(wanted)
    for dependency in [*inputs, *(d for d in needed if d.scope in ("compile", "runtime"))]:
        artifact = dependency.artifact
        coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        if not coordinate.startswith(LEFT_OUT):
            data = artifact.resolve().read_bytes()
            yield Jar(coordinate, len(data), hashlib.sha256(data).hexdigest())


def write_lock(repository: Path) -> None:
    """Writes `kafka.lock` anew."""
    lines = sorted(f"{jar.coordinate} {jar.size} {jar.sha256}" for jar in resolve(repository))
    head = "# coordinates, bytes, SHA-256; written by `python -m gateway.embedded.jars DIRECTORY`"
    LOCK_FILE.write_text("\n".join([head, *lines, ""]))


if __name__ == "__main__":
    write_lock(Path(sys.argv[1]))
