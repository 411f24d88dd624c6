"""What the routes of a department share: who may change it, and how a change is published."""

from __future__ import annotations

import asyncio

from gateway.core.directory import Agent, Department, DirectoryEntry, Role, check_permission, entry_key
from gateway.core.errors import Code
from gateway.inbox.api.context import Inbox
from gateway.inbox.api.problems import Problem, check
from gateway.wire.framing import encode
from gateway.wire.headers import headers_for, type_name

VISIBLE_SECONDS = 2.0
LOOK_SECONDS = 0.02


def administered(parts: Inbox, agent: Agent, department_id: str) -> Department:
    """The department, if the agent is an administrator in it. Raises Problem 403 or 404."""
    department = parts.replicas.known.directory.departments.get(department_id)
    if department is None or department.tenant != agent.tenant:
        raise Problem(404, Code.UNKNOWN_DEPARTMENT.value, "There is no such department.")
    check(check_permission(agent, department.tenant, department_id))
    if agent.role is not Role.ADMINISTRATOR:
        raise Problem(403, Code.FORBIDDEN.value, "Only an administrator of the department may do this.")
    return department


async def publish(parts: Inbox, department: Department) -> None:
    """Publishes the department and waits a little until this process sees it. Raises BrokerUnavailable."""
    key = entry_key(department)
    entry = DirectoryEntry(department, parts.replicas.directory_version(key) + 1)
    headers = headers_for(f"{key}:{entry.version}", type_name(DirectoryEntry), "inbox", key, parts.clock())
    await parts.producer.send(parts.catalogue.directory, key.encode(), encode(entry), headers)
    deadline = parts.clock() + int(VISIBLE_SECONDS * 1000)
    while parts.replicas.directory_version(key) < entry.version and parts.clock() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
