"""Redaction of structured personal data and secrets, before anything touches the disk.

Pseudonyms are a keyed function of the value (HMAC-like, keyed BLAKE2b): the same address is the
same pseudonym everywhere one key is used, so an environment built from the traces still knows
that two orders belong to one customer, and nobody without the key can test a guess.

Found: what `envsim.ingest.patterns` detects, anywhere in text; values under keys such as
``password`` or ``Cookie``; what is typed into password fields; and every later copy of such a
value within its session. JSON inside strings (tool results) is read as JSON.

Not found: names, postal addresses, birth dates and other free text about people. Sessions that
hold these need a reviewer, or a source that never records them.
"""

from __future__ import annotations

import functools
import hashlib
import html
import itertools
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from envsim.errors import ContentError
from envsim.ingest.patterns import DETECTORS, digits_of, phone
from envsim.ingest.records import session_name
from envsim.ingest.redact_network import again, redact_exchange
from envsim.page.har import Exchange
from envsim.page.lines import INTERACTIVE, parse_line
from envsim.state import split_path
from envsim.trace import End, Header, Step, Trace

KEY_BYTES = 32
_SECRET_KEYS = frozenset(
    {"password", "passwd", "pwd", "passphrase", "passcode", "pin", "otp", "cvv", "cvc", "cvv2", "cvc2",
     "securitycode", "secret", "apikey", "token", "accesstoken", "refreshtoken", "idtoken", "authtoken", "csrftoken",
     "sessiontoken", "sessionid", "clientsecret", "privatekey", "authorization", "proxyauthorization", "xapikey",
     "xauthtoken", "xcsrftoken", "cookie", "setcookie", "cookies", "ssn", "socialsecuritynumber"}
)  # fmt: skip
_NUMERIC_SECRETS = frozenset({"pin", "otp", "passcode", "cvv", "cvc", "cvv2", "cvc2", "securitycode", "ssn"})
_PHONE_KEYS = frozenset({"phone", "phonenumber", "mobile", "mobilenumber", "telephone", "tel", "fax", "cellphone"})
_SCHEMA_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_LEARN_CHARS = 6
"""Shortest secret whose other copies are looked for: shorter ones meet ordinary words."""


def load_key(path: Path, *, make: bool = True) -> bytes:
    """The key in `path`, which is made, readable by its owner only, where there is none and `make` says so.

    Raises:
        ContentError: Not a key of ours, or it cannot be read or written.
    """
    try:
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ContentError(f"Cannot use the redaction key {path}: {error}. Name another with --redact-key.") from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ContentError(
            f"{path} is not a redaction key: it must hold {2 * KEY_BYTES} hex digits. "
            "Name a file that does not exist to have one made."
        )
    return key


class Redactor:
    """Replaces sensitive values by pseudonyms under one key.

    Attributes:
        counts: Kind -> how many values were replaced so far.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.counts: Counter[str] = Counter()

    def same_key(self) -> Redactor:
        """Another that gives the same pseudonyms and counts for itself."""
        return Redactor(self._key)

    def fingerprint(self, data: bytes) -> str:
        """32 hex digits that tell two inputs (or keys) apart and nothing else about them."""
        return hashlib.blake2b(data, key=self._key, digest_size=16, person=b"fingerprint").hexdigest()

    def trace(self, trace: Trace, name: Sequence[object] = ()) -> Trace:
        """`trace` with every sensitive value replaced; see `record`."""
        return self.record(trace, name)[0]

    def record(
        self, trace: Trace, name: Sequence[object] = (), network: Sequence[Exchange] = ()
    ) -> tuple[Trace, tuple[Exchange, ...]]:
        """`trace` and what was exchanged meanwhile, with every sensitive value replaced alike in both.

        Args:
            trace: What was read.
            name: The parts of the session's name as its source has them: a telephone number is one
                no longer when `session_name` has made a file name of it. Default: the header's.
            network: What was exchanged.
        """
        session = RedactedSession(self)
        clean = [redact_exchange(session, exchange) for exchange in network]
        steps: list[dict[str, Any]] = []
        page = ""
        for step in trace.steps:
            steps.append(session.step(step, page))
            page = step.observation.page
        state = session.value(trace.state)
        header = trace.header.model_dump(mode="json")
        tools = [session.schema(tool) for tool in header["tools"]]
        header = {**session.value({**header, "tools": []}), "tools": tools}
        named = [session.value(str(part)) for part in name or (trace.header.session,)]
        end = None if trace.end is None else session.value(trace.end.model_dump(mode="json"))
        # Once more: a secret met by its key in step 9 may have been echoed, unnamed, in step 3.
        header = session.again(header)
        header["session"] = session_name(*session.again(named))
        redacted = Trace(
            Header.model_validate(header),
            tuple(Step.model_validate(session.again(step)) for step in steps),
            None if end is None else End.model_validate(session.again(end)),
            session.again(state),
        )
        return redacted, tuple(again(session, exchange) for exchange in clean)

    def exchanges(self, network: Sequence[Exchange]) -> tuple[Exchange, ...]:
        """What was exchanged in one session, with every sensitive value replaced."""
        session = RedactedSession(self)
        clean = [redact_exchange(session, exchange) for exchange in network]
        return tuple(again(session, exchange) for exchange in clean)

    def text(self, text: str, on_secret: Callable[[str, str], None] = lambda secret, new: None) -> str:
        """Plain text with every detected value replaced.

        Args:
            text: Any.
            on_secret: Called with each secret that the text names, and what replaced it.
        """
        for detector in DETECTORS:

            def replace(match: re.Match[str]) -> str:
                new = detector.replace(match, self.pseudonym)  # noqa: B023 - called before the next turn
                if new is None:
                    return match[0]
                self.counts[detector.kind] += 1  # noqa: B023
                if detector.kind == "secret":  # noqa: B023
                    on_secret(match["secret"], new[len(match["before"]) :])
                return new

            text = detector.pattern.sub(replace, text)
        return text

    def pseudonym(self, kind: str, value: str, length: int = 12) -> str:
        """`length` hex digits (at most 128) that stand for `value`."""
        digest = hashlib.blake2b(value.encode(), key=self._key, digest_size=64, person=kind.encode()[:16])
        return digest.hexdigest()[:length]


class RedactedSession:
    """Redaction of one session: remembers the secrets it met by name, to find their copies.

    For what is written while it is recorded, where a later secret cannot be looked for in what was written before.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._learned: dict[str, str] = {}
        self.names: set[str] = set()
        """Names of form fields that take secrets, beside those that tell it."""
        self.typed: set[str] = set()
        """What was typed into password fields: secret wherever it is a whole value, however short."""

    # -- values ------------------------------------------------------------------------------

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value, found under `key` (already normalised)."""
        if isinstance(value, dict):
            return self._object(value, key)
        if isinstance(value, list | tuple):
            return [self.value(item, key) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        if (key in _SECRET_KEYS and isinstance(value, str) and value) or key in _NUMERIC_SECRETS:
            return self.secret(value, key)
        if isinstance(value, str) and value in self.typed:
            return self.secret(value, "password")
        if isinstance(value, str):
            return self._string(value, key)
        # A card number may be kept as a number.
        if isinstance(value, int) and abs(value) >= 10**12:
            return int(self._redactor.text(str(value)))
        return value

    def _object(self, value: dict[str, Any], key: str) -> dict[str, Any]:
        if key in _SECRET_KEYS and isinstance(kind := value.get("type"), str) and kind in _SCHEMA_TYPES:
            schema: dict[str, Any] = self.schema(value, secret=key)
            return schema
        named = value.get("name")
        if isinstance(named, str) and "value" in value and _normal(named) in _SECRET_KEYS:
            # {"name": "Cookie", "value": "..."}: how HAR and forms list things.
            key = _normal(named)
            return {self.text(k): self.value(v, key if k == "value" else _normal(k)) for k, v in value.items()}
        # What a secret key holds stays secret however deep: {"cookies": {"sid": "..."}}.
        return {self.text(k): self.value(v, key if key in _SECRET_KEYS else _normal(k)) for k, v in value.items()}

    def schema(self, value: Any, secret: str = "") -> Any:
        """A JSON schema. It *names* secrets (a "password" parameter); only its examples hold any."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.schema(item, secret) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            self.text(k): self.value(v, secret)
            if secret and k in ("default", "example", "examples", "const", "enum")
            else self.schema(v, _normal(k) if _normal(k) in _SECRET_KEYS else secret)
            for k, v in value.items()
        }

    def text(self, text: str) -> str:
        """Plain text with every detected value replaced."""
        return self._redactor.text(text, self.learn)

    def learn(self, secret: str, new: str) -> None:
        """Have `again` replace every copy of `secret`, unless it may be an ordinary word."""
        # Only what cannot be an ordinary word or label may be replaced wherever it stands.
        if len(secret) >= _LEARN_CHARS and re.search(r"[^A-Za-z ]", secret):
            # Pages, forms and links spell the same value in ways of their own.
            escaped = html.escape(secret)
            for spelt in (secret, escaped, escaped.replace("&#x27;", "&#39;"), quote(secret), quote_plus(secret)):
                self._learned[spelt] = new

    def _string(self, text: str, key: str) -> str:
        if text.lstrip()[:1] in ("{", "["):
            return self._json_text(text)
        if key in _PHONE_KEYS and re.fullmatch(r"[\d ()+./-]{7,24}", text):
            if (new := phone(text, self._redactor.pseudonym)) is not None:
                self._redactor.counts["phone"] += 1
                return new
            return text
        return self.text(text)

    def _json_text(self, text: str) -> str:
        """JSON text, re-written in its own style and only where something changed."""
        try:
            before = json.loads(text)
            after = self.value(before)
        except (ValueError, RecursionError):
            return self.text(text)
        if after == before:
            return text
        styles = itertools.product((True, False), ((", ", ": "), (",", ":"), (",", ": ")), (None, 2, 4))
        for ascii_only, separators, indent in styles:
            dumps = functools.partial(json.dumps, ensure_ascii=ascii_only, separators=separators, indent=indent)
            if dumps(before) == text:
                return dumps(after)
        return json.dumps(after, ensure_ascii=False)

    def secret(self, value: Any, key: str) -> str | int:
        """The pseudonym of a value that is secret whatever it looks like; the value itself where it is one."""
        if isinstance(value, str) and value.startswith("redacted-"):
            return value
        self._redactor.counts[key] += 1
        if value in self._learned:
            # A session's cookie may come back as the token of its API: equal values stay equal.
            return self._learned[value]
        if not isinstance(value, str):
            length = min(len(str(value)), 15)
            return int("1" + digits_of(self._redactor.pseudonym(key, str(value), 40), length)[1:])
        new = f"redacted-{key}-{self._redactor.pseudonym('secret', value)}"
        self.learn(value, new)
        return new

    # -- steps -------------------------------------------------------------------------------

    def step(self, step: Step, page: str) -> dict[str, Any]:
        """One step as JSON; `page` is what the agent saw when it acted."""
        data = step.model_dump(mode="json")
        action, observation = data["action"], data["observation"]
        if action is not None and str(action["arguments"].get("bid")) in _secret_refs(page):
            for name in ("value", "text"):
                if isinstance(typed := action["arguments"].get(name), str) and typed:
                    action["arguments"][name] = self.secret(typed, "password")
        observation["page"] = "\n".join(self._line(line) for line in observation["page"].split("\n"))
        delta = [self._change(change) for change in data.pop("delta")]
        return {"delta": delta, **{key: self.value(value) for key, value in data.items()}}

    def _change(self, change: list[Any]) -> list[Any]:
        # What changed under the path customers/7/password is as secret as a field of that name.
        key = _normal(split_path(change[0])[-1]) if change and isinstance(change[0], str) else ""
        return [self.value(item, key if place else "") for place, item in enumerate(change)]

    def again(self, value: Any) -> Any:
        """A JSON value with every copy of a learned secret replaced."""
        if not self._learned:
            return value
        if isinstance(value, str):
            for secret, new in self._learned.items():
                value = value.replace(secret, new)
            return value
        if isinstance(value, dict):
            return {self.again(key): self.again(item) for key, item in value.items()}
        return [self.again(item) for item in value] if isinstance(value, list) else value

    def _line(self, text: str) -> str:
        try:
            line = parse_line(text)
        except ValueError:
            return text
        if line.value and line.role in INTERACTIVE and _names_secret(line.name):
            return text.replace(json.dumps(line.value, ensure_ascii=False), f'"{self.secret(line.value, "password")}"')
        return text


def _normal(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _names_secret(label: str) -> bool:
    return bool(re.search(r"\b(password|passcode|passphrase|pin|cvv|cvc|security code|one-time code)\b", label, re.I))


def _secret_refs(page: str) -> set[str]:
    """Refs of the fields of a page that take secrets."""
    refs: set[str] = set()
    for text in page.split("\n"):
        if "[e" in text:
            try:
                line = parse_line(text)
            except ValueError:
                continue
            if line.ref and _names_secret(line.name):
                refs.add(line.ref)
    return refs
