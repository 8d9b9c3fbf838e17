"""Kafka with logins and rights on one machine: what a broker's properties say, and who runs it.

Clients log in with SCRAM over TLS. Brokers, controllers and the administrator have certificates,
and connect to listeners that ask for one (KRaft's controllers take no SCRAM). Nobody has a right
that the authorizer does not list, except brokers and the administrator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.certificates import Authority, KeyPair
from deploy.local.layout import HOST, Layout, node_number

BROKERS: Final = "kafka"
ADMIN: Final = "kafka-admin"
"""The common names of the brokers' certificates and of the administrator's."""

_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_OAUTH: Final = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
    'unsecuredLoginStringClaim_sub="unused";'
)

_UNSIGNED: Final = (
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured."
    "OAuthBearerUnsecuredValidatorCallbackHandler"
)


class NotSecured(Exception):
    """This kind of installation cannot be secured; the message says why."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How one installation's Kafka is secured. `folder` keeps the certificates.

    With `reauthentication_ms` brokers end a session that is older. With `unsigned_tokens` they
    also take tokens that nobody has signed, which is for tests of OAUTHBEARER alone.
    """

    folder: Path
    reauthentication_ms: int | None = None
    unsigned_tokens: bool = False

    def authority(self) -> Authority:
        """Who signs for this installation; made at its first use."""
        return Authority(self.folder)

    def administrator(self, layout: Layout) -> Mapping[str, str]:
        """The variables (`PEYGIR_KAFKA_…`) of a tool that administers this Kafka."""
        pair = self.authority().issue(ADMIN)
        return {
            "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{layout.ports.peers[0]}",
            "PEYGIR_KAFKA_SECURITY_PROTOCOL": "SSL",
            "PEYGIR_KAFKA_CA_FILE": str(self.authority().certificate),
            "PEYGIR_KAFKA_CERT_FILE": str(pair.certificate),
            "PEYGIR_KAFKA_KEY_FILE": str(pair.key),
        }

    def client(self, user: str, password_file: Path) -> Mapping[str, str]:
        """The variables of a process that logs in as `user`, besides the addresses."""
        return {
            "PEYGIR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "PEYGIR_KAFKA_CA_FILE": str(self.authority().certificate),
            "PEYGIR_KAFKA_USERNAME": user,
            "PEYGIR_KAFKA_PASSWORD_FILE": str(password_file),
        }

    def librdkafka(self, layout: Layout) -> dict[str, str | int | float | bool]:
        """Options by which librdkafka administers this Kafka."""
        variables = self.administrator(layout)
        return {
            "bootstrap.servers": variables["PEYGIR_KAFKA_BOOTSTRAP_SERVERS"],
            "security.protocol": "SSL",
            "ssl.ca.location": variables["PEYGIR_KAFKA_CA_FILE"],
            "ssl.certificate.location": variables["PEYGIR_KAFKA_CERT_FILE"],
            "ssl.key.location": variables["PEYGIR_KAFKA_KEY_FILE"],
        }

    def properties(self, layout: Layout, name: str) -> Mapping[str, str]:
        """The settings of one broker that concern its listeners, logins and rights.

        Raises NotSecured.
        """
        if layout.proxied:
            raise NotSecured("Kafka behind proxies cannot be secured; leave `proxied` out")
        node = node_number(name) - 1
        peers, controller = layout.ports.peers[node], layout.ports.controllers[node]
        clients = f"CLIENTS://{layout.advertised(name)},PEERS://{HOST}:{peers}"
        return {
            "listeners": f"{clients},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"{clients},CONTROLLER://{HOST}:{controller}",
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,PEERS:SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "PEERS",
            "listener.name.peers.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            **self._tls(self.authority().issue(BROKERS)),
            **self._logins(),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{BROKERS};User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def _tls(self, pair: KeyPair) -> Mapping[str, str]:
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(pair.bundle),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority().certificate),
            "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
            # `CN=kafka` is the user `kafka`, as a name without TLS would be.
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        }

    def _logins(self) -> Mapping[str, str]:
        tokens = {
            "listener.name.clients.oauthbearer.sasl.jaas.config": _OAUTH,
            "listener.name.clients.oauthbearer.sasl.server.callback.handler.class": _UNSIGNED,
            "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
        }
        longest = self.reauthentication_ms
        return {
            "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": _SCRAM,
            **(tokens if self.unsigned_tokens else {}),
            **({} if longest is None else {"connections.max.reauth.ms": str(longest)}),
        }
