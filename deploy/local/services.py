"""The services and the mail catcher as parts of the installation."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

from deploy.local.layout import HOST, PROJECT, Layout
from deploy.local.processes import Command

_ANSWER_SECONDS = 1.0


class TopicsFailed(Exception):
    """The topics could not be created; the message has what the tool said."""


class Service:
    """One of Peygir's services, run from this checkout."""

    grace_seconds = 20.0
    patience_seconds = 60.0

    def __init__(
        self,
        name: str,
        layout: Layout,
        environment: Mapping[str, str] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`environment` overrides this process's own. With `trust` it is asked over TLS."""
        self.name = name
        self._layout = layout
        self._trust = trust
        self._environment = {**os.environ, **(environment or {})}

    @property
    def exists(self) -> bool:
        """Whether this checkout has it."""
        return (PROJECT / "services" / self.name / "__main__.py").exists()

    def prepare(self) -> None:
        """Nothing: topics and indexes are made by others."""

    def command(self) -> Command:
        environment = {
            **service_environment(self._layout, self._environment),
            "PEYGIR_HTTP_PORT": str(self._layout.ports.of(self.name)),
        }
        return Command((sys.executable, "-m", f"services.{self.name}"), PROJECT, environment)

    def trouble(self) -> str | None:
        """Ready is what its `/readyz` says; else the checks that it names."""
        url = f"{self._layout.address(self.name)}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS, context=self._trust):
                return None
        except urllib.error.HTTPError as refusal:
            with refusal:
                return _failed_checks(refusal.read()) or f"/readyz answers {refusal.code}"
        except OSError:
            return "no answer yet"


class Mail:
    """The mail catcher: takes every mail and keeps it in a file."""

    name = "mail"
    grace_seconds = 5.0
    patience_seconds = 30.0

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def prepare(self) -> None:
        self._layout.data(self.name).mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        arguments = (
            sys.executable, "-m", "deploy.local.mailcatcher",
            "--port", str(self._layout.ports.mail),
            "--folder", str(self._layout.data(self.name)),
        )  # fmt: skip
        return Command(arguments, PROJECT, os.environ)

    def trouble(self) -> str | None:
        """Ready is when it greets as an SMTP server does."""
        try:
            with smtplib.SMTP(HOST, self._layout.ports.mail, timeout=_ANSWER_SECONDS):
                return None
        except (OSError, smtplib.SMTPException):
            return "no answer yet"


def has_topics_tool() -> bool:
    """Whether this checkout has the tool that creates topics."""
    return any((PROJECT / "tools" / name).exists() for name in ("topics.py", "topics"))


def create_topics(layout: Layout, environment: Mapping[str, str] | None = None) -> None:
    """Create the topics that are missing on the installation's Kafka. Raises TopicsFailed."""
    done = subprocess.run(
        (sys.executable, "-m", "tools.topics"),
        cwd=PROJECT,
        env=service_environment(layout, {**os.environ, **(environment or {})}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise TopicsFailed(f"creating the topics failed:\n{done.stdout}{done.stderr}".rstrip())


def service_environment(layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that uses this installation's Kafka, MongoDB and mail."""
    return {
        "PEYGIR_ENV": "development",
        **environment,
        "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap,
        "PEYGIR_REPLICATION_FACTOR": str(layout.nodes),
        "PEYGIR_MONGODB_URI": layout.mongodb_uri,
        "PEYGIR_SMTP_HOST": HOST,
        "PEYGIR_SMTP_PORT": str(layout.ports.mail),
        "PYTHONUNBUFFERED": "1",
    }


def _failed_checks(body: bytes) -> str:
    """The failed checks of a 503, with their reasons if it gives them."""
    try:
        checks = json.loads(body)["checks"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{name}: {state}" for name, state in checks if state != "ok")
