"""From a verified webhook to acknowledged records: parse, lead to conversations, encode, produce."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from connectors.contract import Connector, OpenAccount, Parsed, Refused, WebhookRequest
from connectors.runner.aliases import Resolved, resolve
from connectors.runner.dead import CHUNK_BYTES, dead_letters
from connectors.runner.faults import where
from connectors.runner.records import Record, Send, alias_record, dead_record, inbound_record
from gateway.bus.catalogue import Catalogue
from gateway.core.messages import ContactAlias, DeadLetter, InboundEvent, Receipt
from gateway.wire.errors import WireError

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What became of what a webhook held: `accepted` = events + receipts + dead + ignored (PRODUCT X1)."""

    accepted: int = 0
    events: int = 0
    receipts: int = 0
    dead: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes webhooks in. `lookup` reads the alias replica, `caught_up` returns when it has everything that
    was written before the call, `learn` enters what we publish ourselves."""

    catalogue: Catalogue
    send: Send
    lookup: Callable[[str], str | None]
    caught_up: Callable[[], Awaitable[None]]
    learn: Callable[[str, str], None]

    async def take(
        self, connector: Connector, account: OpenAccount, request: WebhookRequest, now: int, query: bytes
    ) -> Tally:
        """Returns when the broker acknowledged everything.

        Raises Refused, and BrokerUnavailable: then the provider has to repeat the webhook.
        """
        try:
            parsed = connector.parse(request, account, now)
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001 (a fault in our parser must not lose the webhook)
            fault = where(error)
            log.error("parser failed", channel=connector.channel, account=account.account.id, fault=fault)  # noqa: TRY400
            letters = dead_letters(account.account, request.body, "parser", fault, now, query)
            await self._produce(self._dead(letters), ())
            return Tally(accepted=1, dead=1)
        resolved = await self._resolve(connector, account, parsed)
        return await self._write(account, request, parsed, resolved, now)

    async def _resolve(self, connector: Connector, account: OpenAccount, parsed: Parsed) -> Resolved:
        kinds = connector.secondary_kinds
        resolved = resolve(parsed, account.account, kinds, self.lookup, believe=False)
        if resolved.must_wait:
            await self.caught_up()
            resolved = resolve(parsed, account.account, kinds, self.lookup, believe=True)
        return resolved

    async def _write(
        self, account: OpenAccount, request: WebhookRequest, parsed: Parsed, resolved: Resolved, now: int
    ) -> Tally:
        if resolved.publish:
            await self._publish(account, resolved.publish, now)
        tally = Tally(accepted=_held(parsed), ignored=parsed.ignored)
        letters: list[DeadLetter] = []
        events, unsaid = self._encoded(resolved.events, account, now)
        tally.events, letters = len(events), [*letters, *unsaid]
        receipts, unsaid = self._encoded(resolved.receipts, account, now)
        tally.receipts, letters = len(receipts), [*letters, *unsaid]
        tally.dead = _held(parsed) - tally.events - tally.receipts - sum(parsed.ignored.values())
        for fragment in parsed.unreadable:
            letters += dead_letters(account.account, fragment.fragment, "unreadable", fragment.error, now)
        await self._produce(events, [*receipts, *self._dead(letters)])
        return tally

    def _encoded(
        self, items: Iterable[InboundEvent | Receipt], account: OpenAccount, now: int
    ) -> tuple[list[Record], list[DeadLetter]]:
        """The records of the items, and dead letters for those that no record can hold."""
        records: list[Record] = []
        letters: list[DeadLetter] = []
        for item in items:
            try:
                record = inbound_record(self.catalogue, item)
            except WireError as error:
                log.error("record cannot be written", channel=item.channel, reason=str(error))  # noqa: TRY400
                letters += dead_letters(account.account, repr(item).encode(), "unwritable", str(error), now)
                continue
            value = record.value or b""
            if len(value) > CHUNK_BYTES:
                letters += dead_letters(account.account, value, "too_large", record.topic, now)
            else:
                records.append(record)
        return records, letters

    def _dead(self, letters: Iterable[DeadLetter]) -> list[Record]:
        return [dead_record(self.catalogue, letter) for letter in letters]

    async def _publish(self, account: OpenAccount, found: Mapping[str, str], now: int) -> None:
        """The aliases, acknowledged before anything that relies on them."""
        own = account.account
        records = [
            alias_record(
                self.catalogue, natural, ContactAlias(own.tenant, own.channel, own.id, conversation, now)
            )
            for natural, conversation in found.items()
        ]
        await self._produce((), records)
        for natural, conversation in found.items():
            self.learn(natural, conversation)

    async def _produce(self, ordered: Sequence[Record], free: Sequence[Record]) -> None:
        """Everything at once, but `ordered` records of one key one after the other."""
        if len(ordered) == 1 and not free:
            await self._chain(ordered)
            return
        chains: dict[bytes, list[Record]] = {}
        for record in ordered:
            chains.setdefault(record.key, []).append(record)
        work: list[Sequence[Record]] = [*chains.values(), *([record] for record in free)]
        await asyncio.gather(*map(self._chain, work))

    async def _chain(self, records: Sequence[Record]) -> None:
        for record in records:
            await self.send(record.topic, record.key, record.value, record.headers)


def _held(parsed: Parsed) -> int:
    ignored = sum(parsed.ignored.values())
    return len(parsed.events) + len(parsed.receipts) + len(parsed.unreadable) + ignored
