"""The authenticator of a process, by its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from shared.runtime.clocks import MachineClock
from shared.runtime.health import Health
from shared.runtime.identity import Authenticator, OpenIdentity
from shared.runtime.integrators import Integrators
from shared.runtime.principals import Roles
from shared.runtime.settings import CommonSettings
from shared.service.lifecycle import Lifecycle

if TYPE_CHECKING:
    from shared.runtime.identity.keys import ProviderKeys


def wire(
    settings: CommonSettings,
    clock: MachineClock,
    integrators: Callable[[], Integrators],
    lifecycle: Lifecycle,
    health: Health,
) -> Authenticator:
    """Who says who sends a request; the keys of a provider are kept fresh and checked.

    `integrators` are asked for with each request: their file may change.
    """
    keys = _provider_keys(settings, clock)
    if keys is not None:
        lifecycle.add(keys.keep_fresh)
        health.register("identity", keys.check)
    return _authenticator(settings, keys, clock, integrators)


def _provider_keys(settings: CommonSettings, clock: MachineClock) -> ProviderKeys | None:
    """The keys of the identity provider; None if the identity is open."""
    if settings.oidc_issuer is None:
        return None
    from shared.runtime.identity.keys import ProviderKeys, client  # noqa: PLC0415  # see below

    return ProviderKeys(settings.oidc_issuer, clock, partial(client, settings.oidc_ca_file))


def _authenticator(
    settings: CommonSettings,
    keys: ProviderKeys | None,
    clock: MachineClock,
    integrators: Callable[[], Integrators],
) -> Authenticator:
    """A token of the provider says it, or in development the headers."""
    existing = _ExistingRoles(settings.known_deputies, integrators)
    if keys is None:
        return OpenIdentity(existing)
    # Ten megabytes that the open identity does not need.
    from shared.runtime.identity.bearer import BearerIdentity  # noqa: PLC0415
    from shared.runtime.identity.tokens import TokenPolicy, Tokens  # noqa: PLC0415

    assert settings.oidc_issuer is not None, "keys are of an issuer"
    assert settings.oidc_audience is not None, "the settings ask for it with an issuer"
    policy = TokenPolicy(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_roles_claim,
        settings.oidc_user_claim,
        settings.oidc_algorithms,
        settings.oidc_skew_seconds,
    )
    return BearerIdentity(Tokens(policy, keys, clock), existing)


class _ExistingRoles:
    """The roles that exist now, made anew only if the integrators have changed."""

    def __init__(self, deputies: Sequence[str], integrators: Callable[[], Integrators]) -> None:
        self._deputies = deputies
        self._integrators = integrators
        self._known: Integrators | None = None
        self._roles = Roles.of(deputies)

    def __call__(self) -> Roles:
        known = self._integrators()
        if known is not self._known:
            approving = {one.name: one.deputies for one in known.all}
            self._known, self._roles = known, Roles.of(self._deputies, approving)
        return self._roles
