"""The single source of topics: name, key, record type, partitions, retention (DESIGN section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

# The broker's own default (message.max.bytes) and the largest batch that our producers make.
MAX_MESSAGE_BYTES = 1_048_588

KeyKind = Literal[
    "conversation",
    "key_id",
    "message_part",
    "department",
    "entity",
    "agent",
    "agent_conversation",
    "account",
    "alias",
    "origin",
]


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it should be.

    `partitions` None = the count that all conversation-keyed topics share; `configs` are Kafka topic
    settings (times in milliseconds, as Kafka takes them); `record` is the Avro record's name, None = raw bytes.
    """

    name: str
    key: KeyKind
    record: str | None
    configs: Mapping[str, str]
    doc: str
    partitions: int | None = None
    internal: bool = False

    @property
    def copartitioned(self) -> bool:
        """True when it must have the same partition count as every other conversation-keyed topic."""
        return self.partitions is None


def _deleted_after(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


COMPACTED = {"cleanup.policy": "compact", "max.compaction.lag.ms": str(6 * HOUR_MS)}
KEPT_FOR_GOOD = {"cleanup.policy": "delete", "retention.ms": "-1"}
STATE = COMPACTED | {"segment.ms": str(HOUR_MS)}

# Small topics whose readers hold everything: one partition costs least.
SMALL = 1


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every topic under one prefix.

    `channels` get an outbound topic and a ledger each. `partitions` is the count of every
    conversation-keyed topic: 12, or 4 on an embedded broker; it grows only by an offline copy.
    """

    prefix: str = "cg."
    channels: tuple[str, ...] = ()
    partitions: int = 12
    _topics: dict[str, TopicSpec] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.partitions < 1:
            raise ValueError(f"partitions must be at least 1, not {self.partitions}")
        for spec in _specs(self.prefix, self.channels):
            self._topics[spec.name] = spec

    @property
    def topics(self) -> tuple[TopicSpec, ...]:
        """Every topic, in the order of the documentation."""
        return tuple(self._topics.values())

    @property
    def copartitioned(self) -> tuple[str, ...]:
        """The names of the topics that must share one partition count."""
        return tuple(spec.name for spec in self.topics if spec.copartitioned)

    def spec(self, name: str) -> TopicSpec:
        """The topic with this full name. Raises KeyError."""
        return self._topics[name]

    def count(self, spec: TopicSpec) -> int:
        """How many partitions the topic must have."""
        return self.partitions if spec.partitions is None else spec.partitions

    @property
    def inbound(self) -> str:
        return f"{self.prefix}inbound"

    @property
    def receipts(self) -> str:
        return f"{self.prefix}receipts"

    @property
    def commands(self) -> str:
        return f"{self.prefix}commands"

    @property
    def command_results(self) -> str:
        return f"{self.prefix}command-results"

    @property
    def conversations(self) -> str:
        return f"{self.prefix}conversations"

    @property
    def conversation_state(self) -> str:
        return f"{self.prefix}conversation-state"

    @property
    def content_keys(self) -> str:
        return f"{self.prefix}content-keys"

    @property
    def queue(self) -> str:
        return f"{self.prefix}queue"

    @property
    def directory(self) -> str:
        return f"{self.prefix}directory"

    @property
    def presence(self) -> str:
        return f"{self.prefix}presence"

    @property
    def agent_cursors(self) -> str:
        return f"{self.prefix}agent-cursors"

    @property
    def bot_memory(self) -> str:
        return f"{self.prefix}bot-memory"

    @property
    def capabilities(self) -> str:
        return f"{self.prefix}capabilities"

    @property
    def health(self) -> str:
        return f"{self.prefix}health"

    @property
    def contact_aliases(self) -> str:
        return f"{self.prefix}contact-aliases"

    @property
    def dead(self) -> str:
        return f"{self.prefix}dead"

    def outbound(self, channel: str) -> str:
        """Send requests for one channel."""
        return f"{self.prefix}outbound.{channel}"

    def outbound_ledger(self, channel: str) -> str:
        """What a connector of this channel started to send and did not finish."""
        return f"{self.prefix}outbound-ledger.{channel}"


def _specs(prefix: str, channels: Iterable[str]) -> Iterable[TopicSpec]:
    yield from _conversation_topics(prefix)
    for channel in channels:
        yield TopicSpec(
            f"{prefix}outbound.{channel}",
            "conversation",
            "SendRequest",
            _deleted_after(14),
            f"Send requests for {channel}, with `not_after` and the current address.",
        )
        yield TopicSpec(
            f"{prefix}outbound-ledger.{channel}",
            "message_part",
            "LedgerEntry",
            COMPACTED,
            f"`started` before the provider call of {channel}, a tombstone after result and commit.",
            internal=True,
        )
    yield from _small_topics(prefix)


def _conversation_topics(prefix: str) -> Iterable[TopicSpec]:
    def topic(
        name: str, record: str | None, configs: Mapping[str, str], doc: str, internal: bool = False
    ) -> TopicSpec:
        return TopicSpec(f"{prefix}{name}", "conversation", record, configs, doc, internal=internal)

    yield topic("inbound", "InboundEvent", _deleted_after(14), "What a connector saw from the contact.")
    yield topic(
        "receipts",
        "Receipt",
        _deleted_after(14),
        "Send answers and the channel's receipts, incl. watermarks.",
    )
    yield topic("commands", "Command", _deleted_after(14), "What someone asks for.")
    yield topic(
        "command-results", "CommandResult", _deleted_after(1), "Accepted, or refused with the reason."
    )
    yield topic(
        "conversations", "ConversationEvent", KEPT_FOR_GOOD, "The contract: ordered events with `seq`."
    )
    yield topic(
        "conversation-state",
        "ConversationState",
        STATE,
        "State, parked records and `@position`.",
        internal=True,
    )
    # Derived records go to the partition of their cause, so these two share the count as well.
    yield TopicSpec(
        f"{prefix}queue",
        "department",
        "ConversationEvent",
        _deleted_after(14),
        "Conversations that wait in a queue.",
    )
    yield TopicSpec(
        f"{prefix}dead",
        "origin",
        "DeadLetter",
        _deleted_after(30),
        "Undecodable or poison records, with the reason.",
    )


def _small_topics(prefix: str) -> Iterable[TopicSpec]:
    def topic(
        name: str, key: KeyKind, record: str | None, doc: str, partitions: int | None = SMALL
    ) -> TopicSpec:
        return TopicSpec(f"{prefix}{name}", key, record, COMPACTED, doc, partitions=partitions)

    yield topic("content-keys", "key_id", None, "Wrapped keys of sealed content; a tombstone erases.", 4)
    yield topic(
        "directory",
        "entity",
        "DirectoryEntry",
        "Departments, hours, agents, channel accounts, bots, settings.",
    )
    yield topic("presence", "agent", "Presence", "Transitions with `online_until`; leases live in Redis.")
    yield topic("agent-cursors", "agent_conversation", None, "Read cursors.", 4)
    yield TopicSpec(
        f"{prefix}bot-memory",
        "conversation",
        None,
        COMPACTED,
        "What is remembered of a conversation while a webhook bot or menu bot holds it.",
        partitions=4,
        internal=True,
    )
    yield topic("capabilities", "account", "CapabilityProfile", "What each channel account can do.")
    yield topic("health", "account", "ConnectorHealth", "How each channel account's connector is.")
    yield topic("contact-aliases", "alias", "ContactAlias", "Second addresses of one contact, hashed.", 4)
