"""`gateway demo` as a person starts it, and the two ends of the road: the simulator's and the agent's."""

from __future__ import annotations

import hashlib
import hmac
import http.cookiejar
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
PASSWORD = "demo-password"
APP_SECRET = b"sim-app-secret"
PHONE_NUMBER_ID = "305511998877665"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def until(look: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Look again and again until there is something; fails with the last thing seen."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            last: object = look()
        except AssertionError as error:
            last = error
        if last and not isinstance(last, AssertionError):
            return last  # type: ignore[return-value]
        assert time.monotonic() < deadline, f"not true within {seconds} s; last: {last!r}"
        time.sleep(0.1)


@dataclass
class Demo:
    """A running demo."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until the inbox is usable."""
        names = ("INBOX", "CONNECTORS", "SIMULATORS", "LOG", "PROCESSORS", "BOTS", "KAFKA", "REDIS")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        env = {**os.environ, **{f"GATEWAY_{name}_PORT": str(port) for name, port in self.ports.items()}}
        env |= {"GATEWAY_DATA_DIR": str(self.folder / "data"), "PYTHONUNBUFFERED": "1"}
        env.pop("KAFKA_BOOTSTRAP_SERVERS", None)
        env.pop("REDIS_URL", None)
        self.output = self.folder / "output.txt"
        with self.output.open("wb") as out:
            command = [sys.executable, "-m", "gateway.cli", "demo"]
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
        until(self._open, 180)

    def _open(self) -> bool:
        assert self.process is not None
        said = self.output.read_text(encoding="utf-8")
        assert self.process.poll() is None, f"the demo ended:\n{said}"
        return "The inbox is open" in said

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    @property
    def inbox(self) -> str:
        return f"http://127.0.0.1:{self.ports['INBOX']}"

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.ports['CONNECTORS']}/webhooks/whatsapp/wa-demo"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.ports['SIMULATORS']}/whatsapp/_control"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports['KAFKA']}"

    def writes(self, phone: str, text: str, name: str, **behaviour: Any) -> None:
        """A contact writes at the simulated provider."""
        call("PUT", f"{self.control}/contacts/{phone}", {"name": name, **behaviour})
        call("POST", f"{self.control}/contacts/{phone}/messages", {"text": text, "name": name})

    def accepted(self, phone: str) -> list[dict[str, Any]]:
        """What the simulated provider took for this contact."""
        messages = call("GET", f"{self.control}/messages")["messages"]
        return [m for m in messages if m["phone"] == phone]


def call(method: str, url: str, body: Any = None) -> Any:
    """A JSON request to a service of the demo. Raises urllib.error.HTTPError."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def post_webhook(url: str, payload: Any, secret: bytes = APP_SECRET) -> int:
    """A webhook signed as Meta does it; the answer's status."""
    body = json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-hub-signature-256": signature}
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def webhook(phone: str, name: str, *, messages: Any = (), statuses: Any = ()) -> dict[str, Any]:
    """The envelope of a WhatsApp webhook."""
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4930901820", "phone_number_id": PHONE_NUMBER_ID},
    }
    if messages:
        value |= {"contacts": [{"profile": {"name": name}, "wa_id": phone}], "messages": list(messages)}
    if statuses:
        value["statuses"] = list(statuses)
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "418200517733001", "changes": [change]}]}


def text_message(phone: str, provider_id: str, body: str) -> dict[str, Any]:
    """A text message as it stands in a webhook."""
    at = str(int(time.time()))
    return {"from": phone, "id": provider_id, "timestamp": at, "type": "text", "text": {"body": body}}


class AgentClient:
    """An agent at the HTTP API."""

    def __init__(self, base: str, email: str) -> None:
        self.base = f"{base}/api/v1"
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.csrf = ""
        self.csrf = self("POST", "/session", {"email": email, "password": PASSWORD})["csrf"]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": "application/json", "x-csrf-token": self.csrf}
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        with self.opener.open(request, timeout=30) as response:
            raw = response.read()
            return json.loads(raw) if raw else None

    def do(self, path: str, **body: Any) -> Any:
        """A write with a client id of its own."""
        return self("POST", path, {"client_id": str(uuid.uuid4()), **body})

    def conversation(self, name: str) -> dict[str, Any]:
        """The conversation of the contact with this name, once it is there."""

        def look() -> dict[str, Any] | None:
            found = self("GET", "/conversations?view=all&limit=200")["conversations"]
            return next((c for c in found if c["contact"]["name"] == name), None)

        return until(look)

    def messages(self, conversation: str) -> list[dict[str, Any]]:
        """The newest messages of a conversation, without system lines."""
        items = self("GET", f"/conversations/{conversation}/messages?limit=100")["items"]
        return [item for item in items if item["kind"] == "message"]
