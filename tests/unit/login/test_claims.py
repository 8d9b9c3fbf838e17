"""What a token says of itself, whatever it is."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.login.claims import Claims, claims_of
from tools.login.settings import LoginSettings

SETTINGS = LoginSettings(oidc_roles_claim="realm_access.roles", oidc_user_claim="sub")


def _token(payload: Any) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return f"e30.{encoded}.c2lnbmF0dXJl"


def test_nested_claims_are_found() -> None:
    token = _token({"sub": "me", "realm_access": {"roles": ["operator", 1]}, "exp": 1_800_000_000})
    expiry = datetime.fromtimestamp(1_800_000_000, UTC)
    assert claims_of(token, SETTINGS) == Claims("me", ["operator"], expiry)


@pytest.mark.parametrize("payload", [{}, {"sub": 1, "realm_access": [], "exp": "soon"}])
def test_what_is_not_said_is_empty(payload: dict[str, Any]) -> None:
    assert claims_of(_token(payload), SETTINGS) == Claims("", [], None)


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_any_text_is_read_without_an_error(token: str) -> None:
    claims_of(token, SETTINGS)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.fixed_dictionaries(
        {}, optional={"sub": _JSON, "exp": _JSON, "realm_access": _JSON, "roles": _JSON}
    )
)
def test_any_claims_are_read_without_an_error(payload: dict[str, Any]) -> None:
    claims = claims_of(_token(payload), SETTINGS)
    assert claims is not None
    assert all(isinstance(role, str) for role in claims.roles)
