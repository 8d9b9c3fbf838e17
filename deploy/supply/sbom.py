"""A CycloneDX bill of materials of the image: names, versions, licences, and who needs whom."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from deploy.supply.locked import Package
from shared.runtime.version import VERSION

_SCHEMA: Final = SchemaVersion.V1_6


class InvalidBom(Exception):
    """The document does not follow CycloneDX's schema; the message says where."""


def document(packages: Iterable[Package]) -> str:
    """The bill of materials as JSON, the same for the same packages. Raises InvalidBom.

    It has no serial number and no time, and names no address: neither a host's nor a file's.
    """
    listed = tuple(packages)
    bom = Bom()
    bom.metadata.component = root = Component(
        name="peygir", version=VERSION, type=ComponentType.APPLICATION, bom_ref="peygir"
    )
    components = {package.name: _component(package) for package in listed}
    bom.components = components.values()
    for package in listed:
        bom.register_dependency(
            components[package.name], [components[name] for name in package.needs]
        )
    needed = {name for package in listed for name in package.needs}
    bom.register_dependency(root, [c for name, c in components.items() if name not in needed])
    made = json.loads(JsonV1Dot6(bom).output_as_string())
    del made["serialNumber"], made["metadata"]["timestamp"]  # else no two would be the same
    return validated(f"{json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False)}\n")


def _component(package: Package) -> Component:
    licence = [LicenseFactory().make_from_string(package.licence)] if package.licence else []
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=package.name,
        purl=PackageURL("pypi", name=package.name, version=package.version),
        licenses=licence,
    )


def validated(text: str) -> str:
    """The document itself, if it follows the schema of CycloneDX 1.6. Raises InvalidBom."""
    error = JsonStrictValidator(_SCHEMA).validate_str(text)
    if error is not None:
        raise InvalidBom(str(error))
    return text
