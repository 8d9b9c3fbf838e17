"""Events of circulars; the service `reports` owns them."""

from __future__ import annotations

from shared.contracts.events.base import (
    EventData,
    Id,
    Instant,
    Part,
    ProvinceCode,
    Slug,
    Title,
    Version,
)


class SubAxis(Part):
    """A sub-axis, decided by a specialised working group."""

    sub_axis: Slug
    title: Title


class CatalogueAxis(Part):
    """One axis of a catalogue with its sub-axes."""

    axis: Slug
    title: Title
    sub_axes: tuple[SubAxis, ...]


class CircularIssued(EventData):
    """A catalogue of axes was sent to the provinces; reports are checked against its version."""

    circular_id: Id
    catalogue_version: Version
    issued_at: Instant
    axes: tuple[CatalogueAxis, ...]
    provinces: tuple[ProvinceCode, ...]
