"""How a tool's requests say who sends them, and what people read when that is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.identity.provider import LoginProvider
from tests.unit.login.conftest import Clock
from tools.asking import ApiSettings, Bearer, OpenHeaders, as_operator, refusal
from tools.deadletter.service_client import ServiceClient, ServiceUnavailable
from tools.login.errors import LoginError, NotConfigured, TokenWouldLeak
from tools.login.sources import GivenToken


class Service:
    """Records what comes, and answers as it is set."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer = httpx.Response(200, json={})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.answer.status_code, content=self.answer.content)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def there() -> Iterator[LoginProvider]:
    with LoginProvider(Clock()) as provider:
        yield provider


def _settings(**fields: object) -> ApiSettings:
    return ApiSettings.model_validate({"env": "development", **fields})


def _ask(service: Service, auth: httpx.Auth, url: str = "https://peygir.example/v1/x") -> str:
    with httpx.Client(transport=httpx.MockTransport(service), auth=auth) as http:
        http.get(url)
    return str(service.requests[-1].headers.get("Authorization", ""))


def test_without_a_provider_development_believes_headers(service: Service) -> None:
    assert _ask(service, as_operator("زهرا r", _settings()), "http://peygir.example/") == ""
    sent = service.requests[-1].headers
    assert sent["X-Peygir-User"] == "xxxxxr"
    assert sent["X-Peygir-Roles"] == "operator"


def test_with_a_token_no_header_of_development_is_sent(service: Service) -> None:
    assert _ask(service, as_operator("me", _settings(token="abc"))) == "Bearer abc"
    assert not [name for name in service.requests[-1].headers if name.startswith("x-peygir")]


def test_a_program_asks_the_provider_for_its_token(service: Service, there: LoginProvider) -> None:
    there.secrets["job"] = "secret"
    settings = _settings(oidc_issuer=there.url, oidc_client_id="job", oidc_client_secret="secret")
    assert _ask(service, as_operator("me", settings)).startswith("Bearer ey")


async def test_it_is_the_same_for_clients_that_do_not_block(service: Service) -> None:
    transport = httpx.MockTransport(service)
    async with httpx.AsyncClient(transport=transport, auth=Bearer(GivenToken("abc"))) as http:
        await http.get("https://peygir.example/")
    assert service.requests[-1].headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8103/", "http://localhost/", "http://[::1]/", "https://a.example/"]
)
def test_a_token_goes_over_tls_or_stays_on_the_machine(service: Service, url: str) -> None:
    assert _ask(service, Bearer(GivenToken("abc")), url) == "Bearer abc"


@pytest.mark.parametrize("url", ["http://a.example/", "http://10.0.0.1/", "http://127.0.0.1.a/"])
def test_a_token_never_travels_in_plain_text(service: Service, url: str) -> None:
    with pytest.raises(TokenWouldLeak, match="use https://"):
        _ask(service, Bearer(GivenToken("abc")), url)
    assert service.requests == []


def test_a_service_that_asks_for_a_token_is_answered_by_how_to_get_one(service: Service) -> None:
    """The tool cannot know whether the service believes headers: the service says so."""
    settings = ApiSettings.model_validate({"env": "production"})
    said = refusal(_refused(service, as_operator("me", settings), 401), settings)
    assert said is not None
    for word in ("PEYGIR_OIDC_ISSUER", "python -m tools.login", "PEYGIR_TOKEN"):
        assert word in said


def _refused(service: Service, auth: httpx.Auth, status: int) -> httpx.Response:
    problem = {"title": "not allowed", "detail": "this takes the role operator"}
    service.answer = httpx.Response(status, json=problem)
    with httpx.Client(transport=httpx.MockTransport(service), auth=auth) as http:
        return http.get("https://peygir.example/v1/x")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"oidc_issuer": "http://127.0.0.1:1/realms/peygir"}, "log in again with"),
        ({"token": "abc"}, "PEYGIR_TOKEN is not accepted"),
        ({}, "set PEYGIR_OIDC_ISSUER"),
        (
            {"oidc_issuer": "http://127.0.0.1:1/realms/p", "oidc_client_secret": "s"},
            "check what the account of PEYGIR_OIDC_CLIENT_ID may do",
        ),
    ],
)
def test_a_refused_token_is_answered_by_how_to_get_another(
    service: Service, fields: dict[str, str], words: str
) -> None:
    answer = _refused(service, Bearer(GivenToken("abc")), 401)
    said = refusal(answer, _settings(**fields))
    assert said is not None
    assert said.startswith("not allowed: this takes the role operator; ")
    assert words in said


def test_a_missing_role_is_answered_by_the_roles_that_there_are(
    service: Service, there: LoginProvider
) -> None:
    token = there.token("me", ["auditor", "province:IR-09"])
    said = refusal(_refused(service, Bearer(GivenToken(token)), 403), _settings(token=token))
    assert said is not None
    assert "this takes the role operator; the token has the roles auditor, province:IR-09" in said
    said = refusal(_refused(service, Bearer(GivenToken("abc")), 403), _settings(token="abc"))
    assert said is not None
    assert "the token has no roles" in said
    said = refusal(_refused(service, OpenHeaders("me", "auditor"), 403), _settings())
    assert said is not None
    assert said.endswith("it was sent as auditor")


@pytest.mark.parametrize("status", [200, 404, 409, 422, 503])
def test_other_answers_are_no_refusals(service: Service, status: int) -> None:
    assert refusal(_refused(service, OpenHeaders("me"), status), _settings()) is None


def test_a_refusal_that_is_no_problem_document_is_shown_as_it_is(service: Service) -> None:
    service.answer = httpx.Response(403, text="<html>proxy</html>")
    with httpx.Client(transport=httpx.MockTransport(service)) as http:
        said = refusal(http.get("https://peygir.example/v1/x"), _settings())
    assert said is not None
    assert said.startswith("https://peygir.example/v1/x: 403 <html>proxy</html>")


async def test_the_tool_for_dead_letters_says_how_to_log_in(there: LoginProvider) -> None:
    settings = _settings(oidc_issuer=there.url)
    async with ServiceClient("https://127.0.0.1:1", "me", settings) as client:
        with pytest.raises(ServiceUnavailable, match=r"run `python -m tools\.login`"):
            await client.paused()
    without = _settings()
    async with ServiceClient("https://127.0.0.1:1", "me", without) as client:
        with pytest.raises(ServiceUnavailable, match="does not answer"):
            await client.paused()


def test_certificates_that_cannot_be_read_are_named(service: Service, tmp_path: Path) -> None:
    for file in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_text("nothing")
        with pytest.raises(NotConfigured, match=r"PEYGIR_API_CA_FILE.*name a PEM file"):
            _settings(api_ca_file=file).trusted()
        settings = _settings(oidc_issuer="https://id.example.org/p", oidc_ca_file=file)
        with pytest.raises(NotConfigured, match="PEYGIR_OIDC_CA_FILE"):
            _ask(service, as_operator("me", settings))


def test_every_reason_for_no_token_is_one_error() -> None:
    assert issubclass(NotConfigured, LoginError)
    assert issubclass(TokenWouldLeak, LoginError)
