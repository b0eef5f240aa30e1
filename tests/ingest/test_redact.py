"""Redaction: structured personal data and secrets go, equality stays, ordinary values are left alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.ingest.patterns import luhn
from envsim.ingest.redact import Redactor, load_key
from envsim.trace import End, Header, Step, Trace
from envsim.types import Action, Message, Observation

KEY = bytes(range(32))
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"

SECRETS = {
    "email": ["mia.li3818@example.com", "A.B+tag@sub.example.co.uk", "x@y.io"],
    "card": ["4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "3782 822463 10005"],
    "iban": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "NL91ABNA0417164300"],
    "ssn": ["078-05-1120"],
    "phone": ["+1 212-555-0123", "(212) 555-0123", "212-555-0123", "212.555.0123", "+49 30 901820", "+442079460958"],
    "ip": ["203.0.113.7", "10.1.2.3", "2001:4860:4860::8888", "fe80:0:0:0:202:b3ff:fe1e:8329"],
    "jwt": [JWT],
    "api-key": [
        "sk-proj-abcdefghij0123456789", "sk_live_51H8abcdefghij", "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE", "xoxb-123456789012-abcdefghij", "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    ],
    "private-key": ["-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"],
}  # fmt: skip
CASES = [(kind, value) for kind, values in SECRETS.items() for value in values]

ORDINARY = [
    "credit_card_4421486", "gift_card_7815826", "certificate_7504069", "mia_li_3668", "HAT136", "4WQ150", "NO6JO3",
    "2024-05-20", "2024-05-20T10:00:00+00:00", "03:00:00+1", "06:00:00", "$1,234.50", "12.50", "1001",
    "order 1234567890", "4111111111111112", "1700000000000", "1.2.3", "v1.2.3.4", "127.0.0.1", "::1",
    "std::vector<int>", "a::b", "10:00:00", "123e4567-e89b-12d3-a456-426614174000",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "9780306406157", "078-05-112", "000-12-3456",
    "Basic economy", "Basic cotton-blend-t-shirt", "Sugar cookie: 3 left", "my password is in the drawer",
    "/p/copper-kettle?page=2&sort=price", "ask@", "@ada", "a @ b", "75%", "SKU-212-555-0123", "size 40 x 60 x 120",
    "the secret garden", "token ring", "DE89370400440532013001", "sketch-of-a-long-name-0123456789", "10115 Berlin",
    "4.111111111111111", "http://app.test:80/x@y",
]  # fmt: skip


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(KEY)


@pytest.mark.parametrize(("kind", "value"), CASES)
@pytest.mark.parametrize("around", ["{}", "see {} there", 'key="{}"', "({}),", "a: {}.", "{}\n"])
def test_every_kind_is_found_and_counted(redactor: Redactor, kind: str, value: str, around: str) -> None:
    text = around.format(value)
    out = redactor.text(text)
    assert value not in out
    assert redactor.counts == {kind: 1}
    before, after = around.split("{}")
    assert out.startswith(before)
    assert out.endswith(after)


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("around", ["{}", "see {} there", '"{}",', "({})"])
def test_ordinary_values_are_left_alone(redactor: Redactor, text: str, around: str) -> None:
    assert redactor.text(around.format(text)) == around.format(text)
    assert not redactor.counts


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("authorization: Basic dXNlcjpwYXNzd29yZDE=", "dXNlcjpwYXNzd29yZDE="),
        ("Cookie: sid=31d4d96e407aad42; theme=dark", "31d4d96e407aad42"),
        ("https://ada:hunter22@example.com/x", "hunter22"),
        ("/reset?token=31d4d96e407aad42&page=2", "31d4d96e407aad42"),
        ("user=ada&password=hunter22&next=/", "hunter22"),
        ("api_key=0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_secrets_in_headers_and_urls_go(redactor: Redactor, text: str, secret: str) -> None:
    out = redactor.text(text)
    assert secret not in out
    assert sum(redactor.counts.values()) == 1
    assert redactor.text(out) == out


@pytest.mark.parametrize(("kind", "value"), CASES)
def test_redacting_twice_changes_nothing(redactor: Redactor, kind: str, value: str) -> None:
    once = redactor.text(value)
    assert redactor.text(once) == once


@pytest.mark.parametrize(("kind", "value"), CASES)
def test_equality_survives_under_one_key_only(kind: str, value: str) -> None:
    assert Redactor(KEY).text(value) == Redactor(KEY).text(value)
    assert Redactor(KEY).text(value) != Redactor(KEY[::-1]).text(value)


def test_different_values_stay_different(redactor: Redactor) -> None:
    emails = {redactor.text(f"user{i}@example.com") for i in range(3000)}
    assert len(emails) == 3000


def test_shapes_survive(redactor: Redactor) -> None:
    assert redactor.text("Mia@Example.com") == redactor.text("mia@example.com")
    assert redactor.text("mia@example.com").endswith("@redacted.invalid")
    card = redactor.text("4111 1111 1111 1111")
    assert [len(group) for group in card.split()] == [4, 4, 4, 4]
    assert luhn(card.replace(" ", ""))
    assert card.replace(" ", "") == redactor.text("4111111111111111")
    assert redactor.text("(212) 555-0123")[-8:] == redactor.text("+1 212-555-0123")[-8:]


@given(st.text(max_size=300))
def test_any_text_is_redacted_without_error(text: str) -> None:
    redactor = Redactor(KEY)
    out = redactor.text(text)
    assert (out == text) == (not redactor.counts)


# -- traces ----------------------------------------------------------------------------------------


def trace_of(*steps: Step, **header: Any) -> Trace:
    fields: dict[str, Any] = {"session": "s", "app": "shop", "source": "chat", "interface": "tools", **header}
    return Trace(Header(**fields), steps, End(steps=len(steps)))


def result(text: str, index: int = 0) -> Step:
    return Step(index=index, observation=Observation(result=text))


@pytest.mark.parametrize(
    "style",
    [{}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 2}, {"ensure_ascii": False, "indent": 4}],
    ids=str,
)
def test_json_in_a_string_keeps_its_style(redactor: Redactor, style: dict[str, Any]) -> None:
    value = {"customer": {"email": "ada@example.com", "city": "Zürich"}, "n": [1, 2.5, None, True]}
    (step,) = redactor.trace(trace_of(result(json.dumps(value, **style)))).steps
    value["customer"] = {"email": redactor.text("ada@example.com"), "city": "Zürich"}
    assert step.observation.result == json.dumps(value, **style)


@pytest.mark.parametrize(
    "text", ['{"price":  12.50, "id": "1001"}', '{"a": 1, "a": 2}', "[1e5]", "{not json", "[" * 9999]
)
def test_json_without_secrets_is_not_rewritten(redactor: Redactor, text: str) -> None:
    assert redactor.trace(trace_of(result(text))).steps[0].observation.result == text


def test_json_inside_json_inside_a_string(redactor: Redactor) -> None:
    inner = json.dumps({"password": "hunter22", "mail": "ada@example.com"})
    (step,) = redactor.trace(trace_of(result(json.dumps({"body": inner})))).steps
    body = json.loads(json.loads(step.observation.result)["body"])
    assert body["mail"] == redactor.text("ada@example.com")
    assert body["password"].startswith("redacted-password-")


@pytest.mark.parametrize(
    ("value", "gone"),
    [
        ({"password": "hunter22"}, "hunter22"),
        ({"Set-Cookie": "sid=abc"}, "sid=abc"),
        ({"headers": [{"name": "Authorization", "value": "Custom abc"}]}, "Custom abc"),
        ({"cookies": {"sid": "abcdefg"}}, "abcdefg"),
        ({"cvv": 123}, "123"),
        ({"apiKey": "plain"}, "plain"),
        ({"phone": "020 7946 0958"}, "020 7946 0958"),
        ({"card": 4111111111111111}, "4111111111111111"),
        ({"ada@example.com": {"orders": 1}}, "ada@example.com"),
    ],
    ids=str,
)
def test_what_a_key_says_is_believed(redactor: Redactor, value: dict[str, Any], gone: str) -> None:
    trace = redactor.trace(trace_of(result(json.dumps(value)), meta={"copy": json.dumps(value)}))
    assert gone not in trace.steps[0].model_dump_json()
    assert gone not in trace.header.model_dump_json()
    assert sum(redactor.counts.values()) >= 1


@pytest.mark.parametrize(
    "value", [{"password": None}, {"password_reset": True}, {"token": 5}, {"password": ""}, {"spin": 3}]
)
def test_what_a_key_does_not_say_stays(redactor: Redactor, value: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert redactor.trace(trace_of(result(text))).steps[0].observation.result == text


def test_a_schema_that_names_a_secret_is_kept(redactor: Redactor) -> None:
    tools = ({"name": "login", "parameters": {"type": "object", "properties": {"password": {"type": "string"}}}},)
    assert redactor.trace(trace_of(result(""), tools=tools)).header.tools == tools


def test_every_copy_of_a_secret_in_its_session_goes(redactor: Redactor) -> None:
    trace = trace_of(
        Step(index=0, observation=Observation(messages=(Message(role="user", text="it is kettle-42!"),))),
        Step(index=1, action=Action.call("login", password="kettle-42"), observation=Observation(result="welcome")),
        Step(index=2, action=Action.say("you said kettle-42"), observation=Observation()),
    )
    out = redactor.trace(trace)
    assert "kettle-42" not in "".join(step.model_dump_json() for step in out.steps)
    assert out.steps[2].action == Action.say(f"you said {out.steps[1].action.arguments['password']}")  # type: ignore[union-attr]


def test_a_password_that_is_an_ordinary_word_does_not_eat_the_text(redactor: Redactor) -> None:
    trace = trace_of(
        Step(index=0, action=None, observation=Observation(page='button "Password" [eabcd]')),
        Step(index=1, action=Action.call("login", password="Password"), observation=Observation()),
    )
    assert redactor.trace(trace).steps[0].observation.page == 'button "Password" [eabcd]'


def test_what_is_typed_into_a_password_field_goes(redactor: Redactor) -> None:
    page = 'main\n  textbox "E-mail" [eaaaa]\n  textbox "Password" [ebbbb]'
    typed = 'main\n  textbox "E-mail" [eaaaa] = "shop"\n  textbox "Password" [ebbbb] = "swordfish"'
    trace = trace_of(
        Step(index=0, observation=Observation(page=page)),
        Step(index=1, action=Action.call("fill", bid="ebbbb", value="swordfish"), observation=Observation(page=typed)),
        Step(index=2, action=Action.call("fill", bid="eaaaa", value="shop"), observation=Observation(page=typed)),
        interface="browser",
    )
    out = redactor.trace(trace)
    assert "swordfish" not in "".join(step.model_dump_json() for step in out.steps)
    assert out.steps[1].action is not None
    assert str(out.steps[1].action.arguments["value"]) in out.steps[1].observation.page
    assert out.steps[2].action == trace.steps[2].action
    assert 'textbox "E-mail" [eaaaa] = "shop"' in out.steps[2].observation.page


def test_a_session_named_after_a_person_is_renamed(redactor: Redactor) -> None:
    out = redactor.trace(trace_of(result(""), session="ada@example.com"))
    assert out.header.session == redactor.text("ada@example.com")


def test_the_state_is_redacted_like_the_steps(redactor: Redactor) -> None:
    trace = trace_of(Step(index=0, observation=Observation(), delta=(("customers/ada@example.com/tier", "gold"),)))
    trace = Trace(trace.header, trace.steps, trace.end, {"customers": {"ada@example.com": {"tier": "silver"}}})
    out = redactor.trace(trace)
    name = redactor.text("ada@example.com")
    assert out.state == {"customers": {name: {"tier": "silver"}}}
    assert out.steps[0].delta == ((f"customers/{name}/tier", "gold"),)


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    key = load_key(path)
    assert load_key(path) == key
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path / "other") != key


@pytest.mark.parametrize("content", ["", "abcd", "zz" * 32, "00" * 33])
def test_what_is_not_a_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(ContentError, match="not a redaction key"):
        load_key(path)
