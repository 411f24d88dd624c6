"""What the routes of the offline message take and answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from gateway.core.availability import Present
from gateway.core.offline import Holder
from gateway.inbox.api import models as m

TEXT_AT_MOST = 20_000
"""Longer ones are not even looked at; what may be saved is said by `merge_fields.check`."""


class OfflineMessageIn(BaseModel):
    """The settings. `when_no_hours`: what counts for a department without business hours (O8)."""

    enabled: bool
    text: str = Field(max_length=TEXT_AT_MOST)
    language: Literal["en", "ja"] = "en"
    when_no_hours: Literal["open", "by_presence"] = "open"
    ticket_first: bool = False
    text_without_ticket: str | None = Field(None, max_length=TEXT_AT_MOST)


class PreviewIn(BaseModel):
    """A text that is not saved yet; without one the saved text."""

    text: str | None = Field(None, max_length=TEXT_AT_MOST)
    language: Literal["en", "ja"] | None = None
    ticket: bool = True


class SimulateIn(BaseModel):
    """A message at this time (Unix milliseconds; absent: now)."""

    at: int | None = Field(None, ge=0, le=32_503_680_000_000)
    owner: Holder = Holder.UNASSIGNED
    presence: Present = Present.NONE
    blocked: bool = False


class FieldProblemOut(m.Model):
    """What is wrong with a text at position `at` (code points), in the agent's language."""

    where: Literal["text", "text_without_ticket"]
    code: str
    detail: str
    at: int
    field: str | None
    suggestion: str | None


class MergeFieldOut(m.Model):
    """A merge field for the picker."""

    key: str
    label: str
    sample: str


class StarterOut(m.Model):
    """A starter text, in the language of the message."""

    key: str
    title: str
    text: str


class OfflineMessageOut(m.Model):
    """The settings as saved, what is doubtful about them, and what the editor offers."""

    department_id: str
    enabled: bool
    text: str
    language: str
    when_no_hours: Literal["open", "by_presence"]
    ticket_first: bool
    text_without_ticket: str | None
    hours_set: bool
    warnings: list[FieldProblemOut]
    fields: list[MergeFieldOut]
    starters: list[StarterOut]


class PartsOut(m.Model):
    """How the text leaves on one channel account; no profile yet = one part, `known` false."""

    account_id: str
    channel: str
    known: bool
    parts: list[str]


class PreviewOut(m.Model):
    """The text merged with a sample contact."""

    text: str
    problems: list[FieldProblemOut]
    accounts: list[PartsOut]


class SimulationOut(m.Model):
    """What would happen: row of the table, yes or no, and why."""

    row: str
    sends: bool
    why: str
    facts: dict[str, str]
    details: str
    text: str | None


class RefusedText(m.Problem):
    """A text that may not be saved, with each problem."""

    problems: list[FieldProblemOut]
