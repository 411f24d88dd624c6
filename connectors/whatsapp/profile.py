"""What WhatsApp can do: every limit with the page it is from and the day it was read."""

from __future__ import annotations

from connectors.contract import Rates
from gateway.core.capabilities import CapabilityProfile, Limit, MediaLimit, RungSupport, Told, Window
from gateway.core.receipts import Rung

_READ_ON = "2026-11-21"
_DOCS = "developers.facebook.com/docs/whatsapp/cloud-api/"
_TEXT = _DOCS + "messages/text-messages"
_IMAGE = _DOCS + "messages/image-messages"
_BUTTONS = _DOCS + "messages/interactive-reply-buttons-messages"
_LIST = _DOCS + "messages/interactive-list-messages"
_URL_BUTTON = _DOCS + "messages/interactive-cta-url-messages"
_MEDIA = _DOCS + "reference/media"
_SEND = _DOCS + "guides/send-messages"
_STATUS = _DOCS + "webhooks/reference/messages/status"

_MEGABYTE = 1024 * 1024
_MINUTE = 60_000
_HOUR = 60 * _MINUTE


def _limit(name: str, value: int, source: str) -> Limit:
    return Limit(name, value, source, _READ_ON)


def _files(kind: str, megabytes: float, *mimes: str) -> MediaLimit:
    return MediaLimit(kind, mimes, int(megabytes * _MEGABYTE), _MEDIA, _READ_ON)


LIMITS = (
    _limit("text", 4096, _TEXT),
    _limit("caption", 1024, _IMAGE),
    _limit("buttons", 3, _BUTTONS),
    _limit("button_title", 20, _BUTTONS),
    _limit("button_id", 256, _BUTTONS),
    _limit("buttons_body", 1024, _BUTTONS),
    _limit("header", 60, _BUTTONS),
    _limit("footer", 60, _BUTTONS),
    _limit("url_title", 20, _URL_BUTTON),
    _limit("list_rows", 10, _LIST),
    _limit("list_sections", 10, _LIST),
    _limit("list_label", 20, _LIST),
    _limit("list_section_title", 24, _LIST),
    _limit("list_row_id", 200, _LIST),
    _limit("list_row_title", 24, _LIST),
    _limit("list_row_description", 72, _LIST),
    # The page says 4096, courier cuts at 1024: the smaller one is right in both cases.
    _limit("list_body", 1024, _LIST),
    _limit("callback_data", 512, _SEND),
)

MEDIA = (
    _files("image", 5, "image/jpeg", "image/png"),
    _files("video", 16, "video/mp4", "video/3gpp"),
    _files("audio", 16, "audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
    # Shown as a voice memo only as OGG with Opus; above 512 KB without the play icon.
    _files("voice", 16, "audio/ogg"),
    _files(
        "file",
        100,
        "text/plain",
        "application/pdf",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-powerpoint",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    _files("sticker", 100 / 1024, "image/webp"),
)

PROFILE = CapabilityProfile(
    channel="whatsapp",
    name="WhatsApp",
    content=(
        "text",
        "image",
        "video",
        "audio",
        "voice",
        "file",
        "sticker",
        "location",
        "contact_card",
        "buttons",
        "quick_replies",
        "list",
        "template",
        "reaction",
    ),
    rungs=(
        RungSupport(Rung.SENT, Told.WEBHOOK, overdue_after=5 * _MINUTE),
        # A phone that is switched off is no fault; a day without a sign is worth a look.
        RungSupport(Rung.DELIVERED, Told.WEBHOOK, overdue_after=24 * _HOUR),
        # Read receipts can be switched off by the contact.
        RungSupport(Rung.READ, Told.WEBHOOK, may_be_hidden=True),
    ),
    limits=LIMITS,
    media=MEDIA,
    window=Window(24 * _HOUR, ("template",), _SEND, _READ_ON),
    reply_to=True,
    send_within=24 * _HOUR,
    silent_after=30 * _MINUTE,
)

RATES = Rates(
    # "Throughput" and "pair rate limit", developers.facebook.com/docs/whatsapp/cloud-api/overview, 2026-11-21
    account_per_second=80,
    pair_every=6_000,
    pair_burst=45,
    retries=6,  # with 4^X seconds between them: enough for a burst that was used up
    backoff=1_000,
)

MAX_BODY = 4 * _MEGABYTE
"""Meta sends up to 3 MB ("Webhooks overview", 2026-11-21)."""
