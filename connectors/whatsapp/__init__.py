"""WhatsApp Business Platform (Cloud API). Facts and their sources: README.md of this folder."""

from __future__ import annotations

from connectors._meta import webhook
from connectors.whatsapp import inbound, outbound
from connectors.whatsapp.profile import MAX_BODY, PROFILE, RATES


class WhatsApp:
    """The channel, in the shape of `connectors.contract.Connector`."""

    channel = "whatsapp"
    profile = PROFILE
    rates = RATES
    max_body = MAX_BODY
    sent_by_answer = False
    secrets = ("access_token", "app_secret", "verify_token")
    secondary_kinds = ("user_id",)
    verify = staticmethod(webhook.verify)
    parse = staticmethod(inbound.parse)
    send = staticmethod(outbound.send)


CONNECTOR = WhatsApp()
