"""The command line `gateway`. Exit codes: 0 ok, 1 found a problem, 2 wrong use."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A channel gateway: connectors, the conversation log, processors and the inbox.",
)
run_app = typer.Typer(no_args_is_help=True, help="Run one service of a deployment.")
topics_app = typer.Typer(no_args_is_help=True, help="The Kafka topics.")
schemas_app = typer.Typer(no_args_is_help=True, help="The Avro schemas.")
dead_app = typer.Typer(no_args_is_help=True, help="Dead letters and parked conversations.")
app.add_typer(run_app, name="run")
app.add_typer(topics_app, name="topics")
app.add_typer(schemas_app, name="schemas")
app.add_typer(dead_app, name="dead")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def _channels() -> tuple[str, ...]:
    from connectors.registry import discover  # noqa: PLC0415 (only commands that need channels load them)

    return tuple(discover())


def _catalogue(settings: Settings) -> Any:
    from gateway.bus.catalogue import Catalogue  # noqa: PLC0415

    return Catalogue(settings.topic_prefix, _channels(), settings.conversation_partitions)


def _changelogs(catalogue: Any) -> Any:
    """The topics that keep the processors' tables."""
    from processors.app import changelogs  # noqa: PLC0415

    return changelogs(catalogue)


def _bootstrap(settings: Settings) -> str:
    if settings.kafka_bootstrap_servers is None:
        raise typer.BadParameter(
            "KAFKA_BOOTSTRAP_SERVERS is not set. `gateway up` brings a Kafka of its own."
        )
    return settings.kafka_bootstrap_servers


def _problem(error: Exception) -> typer.Exit:
    print(f"gateway: {error}", file=sys.stderr)
    return typer.Exit(1)


def _serve(service: str, work: Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run a service until SIGINT or SIGTERM."""
    import uvloop  # noqa: PLC0415

    from gateway.logging import configure  # noqa: PLC0415

    settings = Settings()
    configure(settings.log_format, settings.log_level, service=service)
    _bootstrap(settings) if service != "simulators" else None

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(settings, stop)

    uvloop.run(until_stopped())


def _do(work: Awaitable[Any]) -> Any:
    """Run one command's work; an error that a person can mend becomes one line."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from gateway.bus.admin import TopicProblem  # noqa: PLC0415
    from gateway.bus.producer import BrokerUnavailable  # noqa: PLC0415
    from gateway.bus.replica import ReplicaBehind  # noqa: PLC0415

    async def awaited() -> Any:
        return await work

    try:
        return asyncio.run(awaited())
    except (KafkaError, TopicProblem, BrokerUnavailable, ReplicaBehind) as error:
        raise _problem(error) from error


@app.command()
def up() -> None:
    """Run everything on this machine, with an embedded Kafka and Redis unless their variables are set."""
    from gateway.bus.admin import apply_catalogue  # noqa: PLC0415
    from gateway.services import children  # noqa: PLC0415
    from gateway.up import Endpoints  # noqa: PLC0415
    from gateway.up import up as supervise  # noqa: PLC0415

    settings = Settings()

    async def prepare(endpoints: Endpoints) -> None:
        catalogue = _catalogue(settings)
        await apply_catalogue(endpoints.kafka, catalogue, _changelogs(catalogue))

    async def when_ready(endpoints: Endpoints) -> None:
        print(f"The inbox is open: http://{settings.host}:{settings.inbox_port}/")
        print(f"Webhooks: http://{settings.host}:{settings.connectors_port}/webhooks/<channel>/<account>")
        print(f"Accounts and agents: KAFKA_BOOTSTRAP_SERVERS={endpoints.kafka} gateway apply -f FILE")

    channels = _channels()
    raise typer.Exit(
        asyncio.run(
            supervise(
                settings, lambda _: children(settings, channels, {}), prepare=prepare, when_ready=when_ready
            )
        )
    )


@app.command()
def demo(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget the last demo's conversations first.")
    ] = False,
) -> None:
    """Run everything with simulated channels and contacts who write; prints the URL and a login."""
    from gateway.demo.run import demo as run_demo  # noqa: PLC0415

    raise typer.Exit(asyncio.run(run_demo(Settings(), _channels(), _changelogs, fresh=fresh)))


@app.command()
def apply(
    file: Annotated[
        Path, typer.Option("-f", "--file", help="A directory file (YAML).", exists=True, dir_okay=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Ask after showing what would change.")] = False,
) -> None:
    """Make the directory (departments, agents, channel accounts, bots) what the file says."""
    from gateway.core.clock import system_clock, year_of  # noqa: PLC0415
    from gateway.directory.apply import apply_directory  # noqa: PLC0415
    from gateway.directory.changes import ForeignEntry  # noqa: PLC0415
    from gateway.directory.file import (  # noqa: PLC0415
        DirectoryFileError,
        doubts,
        menus_beside,
        parse_directory,
    )

    settings = Settings()
    try:
        text = file.read_text(encoding="utf-8")
        wanted = parse_directory(text, year=year_of(system_clock()), read=menus_beside(file))
    except (DirectoryFileError, UnicodeDecodeError) as error:
        raise _problem(error) from error
    for warning in (*wanted.warnings, *doubts(wanted.entities)):
        print(f"warning: {warning}", file=sys.stderr)

    def agree() -> bool:
        return not ask or typer.confirm("Apply this?")

    work = apply_directory(
        _bootstrap(settings), _catalogue(settings), wanted.entities, dry_run=dry_run, agree=agree
    )
    try:
        count = _do(work)
    except ForeignEntry as error:
        raise _problem(error) from error
    print(f"{count} entries {'would change' if dry_run else 'changed'}.")


@app.command()
def doctor(
    json_lines: Json = False,
    language: Annotated[str, typer.Option(help="Language of the checklist: en or ja.")] = "en",
    history: Annotated[
        bool, typer.Option("--history", help="Read the whole log too: what was never tried outside hours?")
    ] = False,
) -> None:
    """Look for what is wrong: broker, topics, schemas, Redis, directory, secrets, accounts. Exit code 1 on problems."""
    from gateway.doctor import doctor as examine  # noqa: PLC0415

    settings = Settings()
    _bootstrap(settings)
    if language not in ("en", "ja"):
        raise typer.BadParameter("the language is en or ja")
    work = examine(settings, _catalogue(settings), language=language, json_lines=json_lines, history=history)
    raise typer.Exit(_do(work))


@app.command("hash-password")
def hash_password_command() -> None:
    """Read a password and print its hash for `password_hash` in the directory file."""
    from gateway.inbox.passwords import hash_password  # noqa: PLC0415

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=sys.stdin.isatty(), err=True)
    print(hash_password(password))


@topics_app.command("plan")
def topics_plan() -> None:
    """Show what `topics apply` would do. Exit code 1 when something would change or cannot be done."""
    from gateway.bus.admin import plan, read_existing, wanted_topics  # noqa: PLC0415

    settings = Settings()
    catalogue = _catalogue(settings)
    wanted = wanted_topics(catalogue, _changelogs(catalogue))
    changes = plan(_do(read_existing(_bootstrap(settings), wanted)), wanted)
    for change in changes:
        print(f"{change.kind:10} {change.topic}: {change.reason}")
    print(f"{len(wanted)} topics, {len(changes)} changes.")
    raise typer.Exit(1 if changes else 0)


@topics_app.command("apply")
def topics_apply(
    replication: Annotated[int, typer.Option(help="Copies of each partition; 3 in production.")] = 1,
) -> None:
    """Create and configure every topic."""
    from gateway.bus.admin import apply_catalogue  # noqa: PLC0415

    settings = Settings()
    catalogue = _catalogue(settings)
    extra = _changelogs(catalogue)
    changes = _do(apply_catalogue(_bootstrap(settings), catalogue, extra, replication=replication))
    for change in changes:
        print(f"{change.kind:10} {change.topic}")
    print(f"{len(changes)} changes applied.")


@schemas_app.command("build")
def schemas_build(
    release: Annotated[
        bool, typer.Option("--release", help="Keep the current schemas as a version for good.")
    ] = False,
) -> None:
    """Write schemas/*.avsc and asyncapi.yaml from the domain types."""
    from gateway.schemas_cli import build  # noqa: PLC0415

    raise typer.Exit(build(release=release))


@schemas_app.command("check")
def schemas_check() -> None:
    """Check that the schema files are fresh and still read every earlier version."""
    from gateway.schemas_cli import check  # noqa: PLC0415

    raise typer.Exit(check())


@run_app.command("log")
def run_log() -> None:
    """The conversation log service."""
    from gateway.conversation_log.process import run  # noqa: PLC0415

    async def work(settings: Settings, stop: asyncio.Event) -> None:
        await run(settings, _catalogue(settings), stop, instance=settings.instance, port=settings.log_port)

    _serve("log", work)


@run_app.command("connector")
def run_connector(
    channels: Annotated[list[str], typer.Argument(help="One channel, or several in one process.")],
) -> None:
    """The connector of a channel."""
    from connectors.registry import discover  # noqa: PLC0415
    from connectors.runner.process import run  # noqa: PLC0415

    known = discover()
    unknown = [channel for channel in channels if channel not in known]
    if unknown:
        raise typer.BadParameter(f"no such channel: {', '.join(unknown)}; there are {', '.join(known)}")

    async def work(settings: Settings, stop: asyncio.Event) -> None:
        await run(settings, [known[channel] for channel in channels], stop)

    _serve("connector", work)


@run_app.command("processor")
def run_processor(
    rules: Annotated[list[str], typer.Argument(help="One rule, several in one process, or `all`.")],
) -> None:
    """A processor: one rule set on Faust, or several."""
    from processors.app import RULES, run  # noqa: PLC0415

    wanted = list(RULES) if rules == ["all"] else rules
    unknown = [rule for rule in wanted if rule not in RULES]
    if unknown:
        raise typer.BadParameter(f"no such rule: {', '.join(unknown)}; there are {', '.join(RULES)}")

    async def work(settings: Settings, stop: asyncio.Event) -> None:
        await run(settings, wanted, stop)

    _serve("processor", work)


@run_app.command("bots")
def run_bots() -> None:
    """Drives webhook bots and menu bots."""
    from gateway.bots.process import run  # noqa: PLC0415

    async def work(settings: Settings, stop: asyncio.Event) -> None:
        await run(settings, _catalogue(settings), stop)

    _serve("bots", work)


@run_app.command("inbox")
def run_inbox() -> None:
    """The inbox: projection, API, live events and the chat screen."""
    from gateway.inbox.process import run  # noqa: PLC0415

    _serve("inbox", run)


@run_app.command("simulators")
def run_simulators() -> None:
    """The simulated providers, for the demo and for trying things out."""
    from gateway.demo.simulators import run  # noqa: PLC0415

    _serve("simulators", run)


@app.command()
def tail(
    topic: Annotated[
        str, typer.Argument(help="A topic without its prefix, e.g. conversations.")
    ] = "conversations",
    from_start: Annotated[bool, typer.Option("--from-start", help="From the oldest record on.")] = False,
    follow: Annotated[bool, typer.Option(help="Keep waiting for new records.")] = True,
) -> None:
    """Print a topic's records as JSON, one a line. They hold message text: mind who looks on."""
    from gateway.tail import print_topic  # noqa: PLC0415

    settings = Settings()
    _do(print_topic(_bootstrap(settings), _catalogue(settings), topic, from_start, follow))


@app.command()
def explain(
    conversation: Annotated[str, typer.Argument(help="The conversation's id.")],
    language: Annotated[str, typer.Option(help="en or ja.")] = "en",
    json_lines: Json = False,
) -> None:
    """Say why things happened by themselves in a conversation: rule, facts and clock of each."""
    from gateway.explain_cli import print_acts  # noqa: PLC0415

    settings = Settings()
    work = print_acts(_bootstrap(settings), _catalogue(settings), conversation, language, json_lines)
    raise typer.Exit(_do(work))


@dead_app.command("list")
def dead_list(json_lines: Json = False) -> None:
    """The dead letters: origin, reason, error."""
    from gateway.dead_cli import list_dead  # noqa: PLC0415

    settings = Settings()
    _do(list_dead(_bootstrap(settings), _catalogue(settings), json_lines))


@dead_app.command("retry")
def dead_retry(conversation: str) -> None:
    """Replay a parked conversation's records in order, after the cause was mended."""
    _operate(conversation, "retry")


@dead_app.command("discard")
def dead_discard(conversation: str) -> None:
    """Drop the record that blocks a parked conversation; then `retry` replays the rest."""
    _operate(conversation, "discard")


def _operate(conversation: str, what: str) -> None:
    from gateway.dead_cli import operate  # noqa: PLC0415

    settings = Settings()
    raise typer.Exit(_do(operate(_bootstrap(settings), _catalogue(settings), conversation, what)))


@app.command()
def bench(
    rows: Annotated[list[str] | None, typer.Argument(help="Only these rows; none = all.")] = None,
    json_lines: Json = False,
) -> None:
    """Measure the speed targets beside bare loops in the same run."""
    from gateway.bench.run import bench as run_bench  # noqa: PLC0415

    raise typer.Exit(run_bench(Settings(), rows or [], json_lines=json_lines))


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
