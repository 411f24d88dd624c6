"""Starter texts for the offline message (PRODUCT O12), in our own wording; each says that the message arrived.

They are offered once, to be changed by the department; nothing else in the gateway reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StarterText:
    """One starter text; `title` and `text` by language (en, ja)."""

    key: str
    title: Mapping[str, str]
    text: Mapping[str, str]


STARTER_TEXTS: tuple[StarterText, ...] = (
    StarterText(
        "general",
        {"en": "General", "ja": "一般"},
        {
            "en": "Hello ${Contacts.First Name}, thank you for writing. We have received your message, but "
            "nobody is available right now.\nOur hours: ${Department.Hours}.\n"
            "We will answer here as soon as we are back.",
            "ja": "${Contacts.Full Name}様、ご連絡ありがとうございます。メッセージを受け取りましたが、"
            "ただいま担当者が対応できません。\n営業時間：${Department.Hours}\n"
            "営業を再開しだい、こちらでお返事いたします。",
        },
    ),
    StarterText(
        "sales",
        {"en": "Sales", "ja": "営業"},
        {
            "en": "Thank you for your interest, ${Contacts.First Name}! Your message has reached our sales team "
            "and we will come back to you with an answer. We are here again on ${Department.Next Opening}.\n"
            "Until then, feel free to tell us what you are looking for and how many you need.",
            "ja": "${Contacts.Full Name}様、お問い合わせいただきありがとうございます。メッセージは営業担当に"
            "届いており、追ってご連絡いたします。次の営業開始は${Department.Next Opening}です。\n"
            "それまでに、ご希望の商品や数量をお送りいただけましたら、ご案内がスムーズです。",
        },
    ),
    StarterText(
        "technical",
        {"en": "Technical support", "ja": "技術サポート"},
        {
            "en": "Hello ${Contacts.First Name}, your message has arrived at technical support. "
            "We are closed at the moment and open again on ${Department.Next Opening}. "
            "We will look at it as soon as we can.\n"
            "These details help us: what you did, what happened, and a screenshot if you have one.",
            "ja": "${Contacts.Full Name}様、技術サポートです。メッセージを受け付けました。"
            "ただいま受付時間外です。次の受付開始は${Department.Next Opening}です。"
            "順番に確認し、お返事いたします。\n"
            "操作の内容、起きたこと、画面の写真をお送りいただくと、早く調べられます。",
        },
    ),
    StarterText(
        "casual",
        {"en": "Casual", "ja": "カジュアル"},
        {
            "en": "Hi ${Contacts.First Name} 👋 We got your message! Nobody is at the desk just now. "
            "We're back on ${Department.Next Opening}. Talk to you soon 😊",
            "ja": "こんにちは、${Contacts.First Name}さん👋 メッセージ、届いています！"
            "いまは席を外しています。次は${Department.Next Opening}に戻ります。"
            "もう少しだけお待ちくださいね😊",
        },
    ),
    StarterText(
        "with_ticket",
        {"en": "With ticket", "ja": "チケット付き"},
        {
            "en": "Hello ${Contacts.First Name}, we have received your message and will answer it as soon as "
            "we are back. Your ticket number is ${Ticket.Number}. We open again on ${Department.Next Opening}.\n"
            "${Organization.Name}",
            "ja": "${Contacts.Full Name}様、メッセージを受け取りました。営業を再開しだい、お返事いたします。"
            "チケット番号は${Ticket.Number}です。次の営業開始は${Department.Next Opening}です。\n"
            "${Organization.Name}",
        },
    ),
)
