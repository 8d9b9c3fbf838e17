"""Strimzi's KafkaUser resources (kafka.strimzi.io/v1), from rights and quotas as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

from tools.access.quotas import Quotas
from tools.access.rights import Grantee, ResourceType


def manifests(
    grantees: Iterable[Grantee], quotas: Quotas, cluster: str, authentication: str
) -> str:
    """One YAML document for each user; `authentication` is `scram-sha-512` or `tls`."""
    return "".join(
        f"---\n{line}"
        for one in grantees
        for line in ["\n".join(_document(one, quotas, cluster, authentication)) + "\n"]
    )


def _document(grantee: Grantee, quotas: Quotas, cluster: str, authentication: str) -> Iterator[str]:
    yield "apiVersion: kafka.strimzi.io/v1"
    yield "kind: KafkaUser"
    yield "metadata:"
    yield f"  name: {_text(grantee.user)}"
    yield "  labels:"
    yield f"    strimzi.io/cluster: {_text(cluster)}"
    yield "    app.kubernetes.io/part-of: peygir"
    yield "spec:"
    yield "  authentication:"
    yield f"    type: {authentication}"
    quota = quotas.of(grantee)
    yield "  quotas:"
    yield f"    producerByteRate: {quota.producer_byte_rate}"
    yield f"    consumerByteRate: {quota.consumer_byte_rate}"
    yield f"    requestPercentage: {quota.request_percentage}"
    yield "  authorization:"
    yield "    type: simple"
    yield "    acls:"
    for resource, rights in groupby(grantee.rights, key=lambda right: right.resource):
        yield "      - resource:"
        yield f"          type: {resource.type.value}"
        if resource.type is not ResourceType.CLUSTER:  # there is only one
            yield f"          name: {_text(resource.name)}"
            yield f"          patternType: {'prefix' if resource.prefixed else 'literal'}"
        yield "        operations:"
        for right in rights:
            yield f"          - {right.operation.value}"


def _text(value: str) -> str:
    """A text of YAML; one of JSON is one."""
    return json.dumps(value)
