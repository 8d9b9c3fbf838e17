"""Wires what a process needs to sign its events and to judge the sources of others'."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from shared.messaging.core.sources import SourceRule
from shared.messaging.kafka.batches import OutgoingRecord
from shared.runtime.integrators import BadIntegrators, Integrators, read_integrators
from shared.runtime.settings import CommonSettings, refuse
from shared.runtime.signatures import BadSigningKey, read_signing_key, signature
from shared.runtime.watched_file import WatchedFile

_APPROVER: Final = "scheduler"  # the only service of ours that sends resolutions


def source_of(service: str) -> str:
    """The `ce_source` of one of our services."""
    return f"urn:peygir:{service}"


class Sources:
    """The keys of one process, and what it knows of others. Files are read again if they change."""

    def __init__(self, settings: CommonSettings) -> None:
        """Reads the files. Ends the process for one that cannot be used."""
        path, deputies = settings.integrators_file, settings.known_deputies
        read = partial(read_integrators, deputies=deputies)
        try:
            file = None if path is None else WatchedFile(path, read, BadIntegrators)
        except BadIntegrators as error:
            refuse("PEYGIR_INTEGRATORS_FILE", str(error))
        self._file = file
        key = settings.signing_key_file
        self._key = None if key is None else WatchedFile(key, read_signing_key, BadSigningKey)
        ours = {source_of(_APPROVER): _APPROVER}
        signed = settings.event_sources == "signed"
        self.rule = SourceRule(self.integrators, ours) if signed else None
        """By which the sources of events are judged; None if everybody is believed."""

    def integrators(self) -> Integrators:
        """The systems of others, as the file lists them now."""
        return Integrators() if self._file is None else self._file.content()

    def sign(self, record: OutgoingRecord) -> OutgoingRecord:
        """A record with this process's signature, if it has a key."""
        if self._key is None:
            return record
        header = signature(self._key.content(), record.key, record.headers, record.value)
        return replace(record, headers=[*record.headers, header])
