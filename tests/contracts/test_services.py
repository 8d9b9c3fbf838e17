"""The one list of the services."""

from __future__ import annotations

import re
from importlib import import_module

from deploy.local.layout import PROJECT
from shared.contracts.services import HTTP_PORTS, SERVICES

_PORT_OF_A_SERVICE = re.compile(r"\b(" + "|".join(map(str, HTTP_PORTS.values())) + r")\b")


def test_every_service_of_the_checkout_is_listed_with_a_port_of_its_own() -> None:
    folders = {path.parent.name for path in (PROJECT / "services").glob("*/__main__.py")}
    assert folders == set(SERVICES) == HTTP_PORTS.keys()
    assert len(set(HTTP_PORTS.values())) == len(SERVICES)


def test_a_service_listens_on_the_port_of_the_list() -> None:
    for service in SERVICES:
        settings = import_module(f"services.{service}.settings")
        (own,) = [kind for name, kind in vars(settings).items() if name.endswith("Settings")
                  and kind.__module__ == settings.__name__]  # fmt: skip
        default = own.model_fields["http_port"].default_factory
        assert default({"port_offset": 100}) == HTTP_PORTS[service] + 100


def test_no_other_code_knows_a_port_or_lists_the_services() -> None:
    for package in ("services", "shared", "tools", "deploy"):
        for path in (PROJECT / package).rglob("*.py"):
            if path.name == "services.py" and path.parent.name == "contracts":
                continue
            text = path.read_text(encoding="utf-8")
            assert not _PORT_OF_A_SERVICE.search(text), path
            lines = [line for line in text.splitlines() if all(f'"{s}"' in line for s in SERVICES)]
            assert lines == [], path
