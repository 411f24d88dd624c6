"""`gateway demo`: everything up with simulated channels, and contacts who write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gateway.bus.admin import Wanted, apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.core.clock import system_clock, year_of
from gateway.demo.script import Script
from gateway.directory.apply import apply_directory
from gateway.directory.file import parse_directory
from gateway.services import children, simulators
from gateway.settings import Settings
from gateway.up import Endpoints, up

DIRECTORY = Path(__file__).with_name("directory.yaml")
LOGIN = ("misaki@example.com", "alex@example.com")
PASSWORD = "demo-password"  # noqa: S105 (shown to whoever starts the demo)
SECRETS: Mapping[str, str] = {
    "GATEWAY_DEMO_WHATSAPP_TOKEN": "sim-access-token",
    "GATEWAY_DEMO_WHATSAPP_SECRET": "sim-app-secret",
    "GATEWAY_DEMO_WHATSAPP_VERIFY": "sim-verify-token",
}


async def demo(
    settings: Settings,
    channels: Sequence[str],
    extra_topics: Callable[[Catalogue], Iterable[Wanted]],
    *,
    fresh: bool,
) -> int:
    """Run the demo until Ctrl-C; returns the exit code. `extra_topics` are the processors' own."""
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "demo"})
    if fresh and settings.data_dir.exists():
        shutil.rmtree(settings.data_dir)
    catalogue = Catalogue(settings.topic_prefix, tuple(channels), settings.conversation_partitions)

    async def prepare(endpoints: Endpoints) -> None:
        await apply_catalogue(endpoints.kafka, catalogue, extra_topics(catalogue))
        text = DIRECTORY.read_text(encoding="utf-8").replace(
            "http://127.0.0.1:8090", f"http://127.0.0.1:{settings.simulators_port}"
        )
        wanted = parse_directory(text, year=year_of(system_clock())).entities
        await apply_directory(endpoints.kafka, catalogue, wanted, say=lambda line: None)

    async def when_ready(endpoints: Endpoints) -> None:
        print(_welcome(settings), flush=True)  # noqa: T201
        control = f"http://127.0.0.1:{settings.simulators_port}/whatsapp/_control"
        await Script(control, lambda line: print(line, flush=True)).run()  # noqa: T201

    return await up(
        settings,
        lambda _: [simulators(settings, SECRETS), *children(settings, channels, SECRETS)],
        prepare=prepare,
        when_ready=when_ready,
    )


def _welcome(settings: Settings) -> str:
    url = f"http://{settings.host}:{settings.inbox_port}/"
    return f"""
The inbox is open / 受信トレイを開けます:

    {url}
    {LOGIN[0]} (日本語) or {LOGIN[1]} (English), password: {PASSWORD}

Three contacts write on a simulated WhatsApp and answer your replies. Ctrl-C stops everything.
WhatsApp の相手役が 3 人います。返信すると答えが返ってきます。Ctrl-C ですべて止まります。
"""
