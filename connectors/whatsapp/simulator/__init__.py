"""A stand-in for the WhatsApp Cloud API that checks and answers as Meta does, for tests and the demo.

`make_app(config)` is a Starlette app to mount under `/whatsapp`; `Simulator` drives it from Python, the
routes under `/_control` from outside. It talks to 127.0.0.1 only.
"""

from connectors.whatsapp.simulator.app import make_app
from connectors.whatsapp.simulator.config import Behaviour, Config, FakeFile, Injected, Number, TemplateEntry
from connectors.whatsapp.simulator.serve import Served, serve
from connectors.whatsapp.simulator.world import Simulator

__all__ = [
    "Behaviour",
    "Config",
    "FakeFile",
    "Injected",
    "Number",
    "Served",
    "Simulator",
    "TemplateEntry",
    "make_app",
    "serve",
]
