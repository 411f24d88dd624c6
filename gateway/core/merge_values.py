"""The values of merge fields for one conversation, from its state and the directory (PRODUCT O11)."""

from __future__ import annotations

from gateway.core.actors import OwnerKind
from gateway.core.conversation import Head
from gateway.core.directory import Department
from gateway.core.facts import Facts
from gateway.core.hours import next_opening
from gateway.core.hours_text import describe, describe_instant
from gateway.core.person_name import split_name


def merge_values(head: Head, facts: Facts, now: int) -> dict[str, str]:
    """What is known, by the name of the field; a field without a value is left out."""
    directory = facts.directory
    department = directory.departments.get(head.department_id)
    tenant = directory.tenants.get(head.tenant)
    agent = directory.agents.get(head.owner.id) if head.owner.kind is OwnerKind.AGENT else None
    first, last = split_name(head.contact.name or "")
    phone = head.contact.address if head.contact.address_kind == "phone" else None
    values = {
        "Contacts.First Name": first,
        "Contacts.Last Name": last,
        "Contacts.Full Name": head.contact.name,
        "Contacts.Mobile": f"+{phone.lstrip('+')}" if phone else None,
        "Contacts.Owner": head.last_agent.name if head.last_agent else None,
        "User.Support Rep Name": agent.name if agent else None,
        "User.E-mail": agent.email if agent else None,
        "Organization.Name": tenant.name if tenant else None,
        "Organization.Address": tenant.address if tenant else None,
        "Organization.Logo": tenant.logo if tenant else None,
        "Department.Name": department.name if department else None,
        "Ticket.Number": str(head.ticket) if head.ticket is not None else None,
        **(_hours(department, now) if department else {}),
    }
    return {key: value for key, value in values.items() if value}


def _hours(department: Department, now: int) -> dict[str, str | None]:
    hours, language = department.hours, department.offline.language if department.offline else "en"
    if hours is None:
        return {}
    opens = next_opening(hours, now)
    return {
        "Department.Hours": describe(hours, language),
        "Department.Next Opening": describe_instant(opens, hours.zone, language)
        if opens is not None
        else None,
    }
