"""Short ways to make what the cases need."""

from __future__ import annotations

from gateway.core import commands as k
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.capabilities import CapabilityProfile, Limit, MediaLimit, RungSupport, Told, Window
from gateway.core.content import Clear, Content, Text
from gateway.core.conversation import Conversation
from gateway.core.decide import decide
from gateway.core.directory import Account, Agent, Bot, Department, Directory
from gateway.core.draft import Decision
from gateway.core.facts import Facts
from gateway.core.messages import Contact, InboundEvent, InboundKind, Receipt, ReceiptSource
from gateway.core.receipts import Problem, Rung, Verdict

TENANT, CHANNEL, ACCOUNT, ADDRESS = "acme", "testchannel", "acc1", "4915223456789"
CONVERSATION = ids.conversation_id(TENANT, CHANNEL, ACCOUNT, ADDRESS)
HOUR = 3_600_000
T0 = 1_795_257_600_000

PROFILE = CapabilityProfile(
    channel=CHANNEL,
    name="Test channel",
    content=("text", "image", "template", "buttons"),
    rungs=tuple(RungSupport(rung, Told.WEBHOOK) for rung in (Rung.SENT, Rung.DELIVERED, Rung.READ)),
    limits=(Limit("text", 40, "test", "2026-11-21"), Limit("caption", 10, "test", "2026-11-21")),
    media=(MediaLimit("image", ("image/jpeg",), 1000, "test", "2026-11-21"),),
    window=Window(24 * HOUR, ("template",), "test", "2026-11-21"),
    reply_to=True,
)
DIRECTORY = Directory(
    departments={d: Department(d, TENANT, d.title()) for d in ("support", "sales")},
    agents={
        "ann": Agent("ann", TENANT, "Ann", "ann@example.org", ("support", "sales")),
        "bob": Agent("bob", TENANT, "Bob", "bob@example.org", ("support",)),
        "sal": Agent("sal", TENANT, "Sal", "sal@example.org", ("sales",)),
    },
    accounts={ACCOUNT: Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme")},
    bots={"robo": Bot("robo", TENANT, "Robo")},
)
FACTS = Facts(DIRECTORY, {ACCOUNT: PROFILE}, frozenset())
WITH_BOT = Facts(
    DIRECTORY.with_entity(Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme", bot="robo")),
    {ACCOUNT: PROFILE},
    frozenset(),
)
ANN = Actor(ActorKind.AGENT, "ann", "Ann")
BOB = Actor(ActorKind.AGENT, "bob", "Bob")
SAL = Actor(ActorKind.AGENT, "sal", "Sal")
ROBO = Actor(ActorKind.BOT, "robo", "Robo")


def inbound(n: int, content: Content | None = None, at: int = T0, **more: object) -> InboundEvent:
    """What a contact wrote; its provider id is `in<n>`."""
    provider_id = f"in{n}"
    values: dict[str, object] = {
        "event_id": ids.inbound_id(CHANNEL, ACCOUNT, provider_id),
        "conversation_id": CONVERSATION,
        "tenant": TENANT,
        "channel": CHANNEL,
        "account_id": ACCOUNT,
        "kind": InboundKind.MESSAGE,
        "contact": Contact(ADDRESS, "phone", "Lena"),
        "occurred_at": at,
        "received_at": at,
        "content": Clear(content or Text(f"hello {n}")),
        "provider_message_id": provider_id,
    }
    return InboundEvent(**{**values, **more})  # type: ignore[arg-type]


def command(n: int, actor: Actor, action: k.Action, **more: object) -> k.Command:
    """A command with the id `cmd<n>`."""
    values: dict[str, object] = {
        "command_id": f"cmd{n}",
        "conversation_id": CONVERSATION,
        "tenant": TENANT,
        "actor": actor,
        "action": action,
        "issued_at": T0,
        "cause": f"request{n}",
    }
    return k.Command(**{**values, **more})  # type: ignore[arg-type]


def receipt(
    rung: Rung | None = None,
    verdict: Verdict | None = None,
    at: int = T0,
    **more: object,
) -> Receipt:
    """A receipt of the channel."""
    values: dict[str, object] = {
        "receipt_id": f"r-{rung}-{verdict}-{at}-{sorted(more.items(), key=repr)}",
        "conversation_id": CONVERSATION,
        "tenant": TENANT,
        "channel": CHANNEL,
        "account_id": ACCOUNT,
        "source": ReceiptSource.WEBHOOK,
        "occurred_at": at,
        "received_at": at,
        "rung": rung,
        "verdict": verdict,
    }
    return Receipt(**{**values, **more})  # type: ignore[arg-type]


class Talk:
    """A conversation that inputs are fed into, keeping every decision."""

    def __init__(self, facts: Facts = FACTS, now: int = T0) -> None:
        self.state: Conversation | None = None
        self.facts = facts
        self.now = now
        self.decisions: list[Decision] = []

    def __call__(self, *given: InboundEvent | Receipt | k.Command) -> Decision:
        for one in given:
            decision = decide(self.state, one, self.now, self.facts)
            self.state = decision.conversation
            self.decisions.append(decision)
        return self.decisions[-1]

    @property
    def head(self):  # type: ignore[no-untyped-def]
        assert self.state is not None
        return self.state.head

    @property
    def events(self):  # type: ignore[no-untyped-def]
        return [event for decision in self.decisions for event in decision.events]


def send(n: int, text: str = "hi", actor: Actor = ANN, epoch: int | None = None, **more: object) -> k.Command:
    """A command to send text; the message's id is `message(n)`."""
    return command(n, actor, k.SendMessage(Clear(Text(text)), **more), epoch=epoch)  # type: ignore[arg-type]


def message(n: int) -> str:
    """Id of the message that `send(n)` makes."""
    return ids.message_id(f"cmd{n}")


def names(decision: Decision) -> list[str]:
    """The happenings of a decision by name; timers have tests of their own."""
    found = [type(event.happening).__name__ for event in decision.events]
    return [name for name in found if name != "TimersChanged"]


PROBLEM = Problem("window_closed", "", "window", False)  # type: ignore[arg-type]
