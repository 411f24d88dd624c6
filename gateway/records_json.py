"""Domain objects as JSON for people: each union member names its type."""

from __future__ import annotations

import base64
from dataclasses import fields, is_dataclass
from typing import Any


def as_json(value: Any) -> Any:
    """A domain object as plain JSON data; bytes become base64."""
    if is_dataclass(value) and not isinstance(value, type):
        members = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **{k: v for k, v in members.items() if v is not None}}
    if isinstance(value, tuple | list):
        return [as_json(one) for one in value]
    if isinstance(value, dict):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
