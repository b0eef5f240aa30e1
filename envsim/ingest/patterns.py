"""What structured personal data and secrets look like in text, and what stands in for them.

Each detector is strict (checksums, number plans, known prefixes) because an ordinary value taken
for a secret, say an order id, would corrupt the environment that is built from the trace. Each
pseudonym has its original's shape but lies outside the detector's own range (an unassigned country
code, a reserved block...), so redacting twice changes nothing and nobody real is ever named.

Sources: ISO/IEC 7812 (card numbers, Luhn), ISO 13616 and the SWIFT IBAN registry, NANP and E.164
numbering plans, SSA number ranges, RFC 2606 / 5737 / 3849 reserved names and blocks, RFC 7519 (JWT),
the published token prefixes of the services named below.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

EMAIL_DOMAIN = "redacted.invalid"


class Pseudonym(Protocol):
    """A keyed function of a value: equal values of a kind give equal results."""

    def __call__(self, kind: str, value: str, length: int = 12) -> str:
        """`length` hex digits that stand for `value`."""
        ...


@dataclass(frozen=True)
class Detector:
    """One kind of sensitive text.

    Attributes:
        kind: Name in the report, e.g. ``"email"``.
        pattern: Finds candidates.
        replace: ``(match, pseudonym)`` -> replacement, or None where the candidate is not the kind.
    """

    kind: str
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str], Pseudonym], str | None]


def digits_of(hexes: str, count: int) -> str:
    """`count` decimal digits from a hex pseudonym of at least ``2 * count`` digits."""
    return str(int(hexes, 16) % 10**count).zfill(count)


def _refill(shape: str, digits: str) -> str:
    """`shape` with its digits replaced, in order."""
    supply = iter(digits)
    return "".join(next(supply) if char.isdigit() else char for char in shape)


# -- people ----------------------------------------------------------------------------------------


def _email(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    address = match[0].lower().replace("%40", "@")
    # What `url-credential` left before its host is no address either.
    if address.endswith("@" + EMAIL_DOMAIN) or address.startswith("redacted-url-credential-"):
        return None
    at = "@" if "@" in match[0] else "%40"  # as links and forms spell it
    return f"user-{pseudonym('email', address, 10)}{at}{EMAIL_DOMAIN}"


def _phone(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    return phone(match[0], pseudonym) if len(re.sub(r"\D", "", match[0])) >= 8 else None


def phone(text: str, pseudonym: Pseudonym) -> str | None:
    """A telephone number as another of its shape; None where `text` has too few or too many digits.

    Numbers with and without the North American ``+1`` count as equal. No country or area code
    starts with 0, so neither does a real number in either form.
    """
    digits = re.sub(r"\D", "", text)
    international = text.lstrip().startswith("+")
    if not 7 <= len(digits) <= 15:
        return None
    nanp = len(digits) == 11 and digits[0] == "1"
    local = digits[1:] if nanp else digits
    drawn = "0" + digits_of(pseudonym("phone", local, 2 * len(local)), len(local) - 1)
    return _refill(text, ("0" if international else "1") + drawn if nanp else drawn)


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}"
)


def _card(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    digits = re.sub(r"\D", "", match[0])
    if not _ISSUERS.fullmatch(digits) or not luhn(digits):
        return None
    # Major industry 9 has no card issuers. The check digit is right: apps under test verify it.
    body = "9" + digits_of(pseudonym("card", digits, 2 * len(digits)), len(digits) - 2)
    check = next(d for d in "0123456789" if luhn(body + d))
    return _refill(match[0], body + check)


def _ssn(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    # The Social Security Administration assigns no number that starts with 9.
    return _refill(match[0], "9" + digits_of(pseudonym("ssn", match[0], 16), 8))


_IBAN_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 "
    "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 "
    "LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 "
    "SK24 SM27 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {code[:2]: int(code[2:]) for code in _IBAN_REGISTRY.split()}


def _mod97(iban: str) -> int:
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97


def _iban(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    text = match[0]
    length, compact = _IBAN_LENGTHS.get(text[:2], 0), text.replace(" ", "")
    if len(compact) > length > 0 and " " in text:
        # The pattern may have run on into the next word.
        while len(compact) > length and " " in text:
            text = text[: text.rindex(" ")]
            compact = text.replace(" ", "")
    if len(compact) != length or _mod97(compact) != 1:
        return None
    body = digits_of(pseudonym("iban", compact, 2 * length), length - 4)
    check = 98 - _mod97("ZZ00" + body)  # ZZ is no country
    supply = iter(f"ZZ{check:02d}{body}")
    return "".join(char if char == " " else next(supply) for char in text) + match[0][len(text) :]


# -- machines --------------------------------------------------------------------------------------

_CLASS_E = ipaddress.ip_network("240.0.0.0/4")
_DOCUMENTATION = ipaddress.ip_network("2001:db8::/32")


def _ipv4(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    try:
        address = ipaddress.IPv4Address(match[0])
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or address in _CLASS_E:
        return None
    return str(ipaddress.IPv4Address(int(_CLASS_E[0]) + int(pseudonym("ip", match[0]), 16) % (2**28 - 1)))


def _ipv6(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or address in _DOCUMENTATION:
        return None
    # `a::b` is also how code spells a scope: an address worth hiding has more to it.
    if "::" in match[0] and len([group for group in match[0].split(":") if group]) < 3:
        return None
    drawn = int(pseudonym("ip", address.compressed, 24), 16)
    return str(ipaddress.IPv6Address(int(_DOCUMENTATION[0]) + drawn % 2**96))


def _token(kind: str) -> Callable[[re.Match[str], Pseudonym], str | None]:
    def replace(match: re.Match[str], pseudonym: Pseudonym) -> str | None:
        """The groups "before" and "after" stay, the secret between them does not."""
        groups = match.groupdict()
        if (groups.get("secret") or match[0]).startswith("redacted-"):
            return None
        secret = groups.get("secret") or match[0]
        return f"{groups.get('before') or ''}redacted-{kind}-{pseudonym(kind, secret)}{groups.get('after') or ''}"

    return replace


_PASSWORDS = (
    r"[\w-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?token|refresh[_-]?token|auth[_-]?token"
    r"|id[_-]?token|session[_-]?id|csrf[_-]?token|client[_-]?secret)"
)
_NAMES = rf"(?:{_PASSWORDS}|token|sig|signature)"
_KEYS = rf"(?:{_NAMES}|pwd|pin|otp|passcode|cvv2?|cvc2?|ssn|authorization|(?:set-)?cookie)"
# In the text of broken JSON, and where Python shows a string, a value may begin after an escaped newline.
_EDGE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"


def _edge(but_not_after: str) -> str:
    return rf"(?:(?<![{but_not_after}])|(?<=\\[nrt]))"


_NAMED = tuple(
    re.compile(before + secret, re.IGNORECASE)
    for before, secret in (
        # password=kettle, as in URLs and forms
        (
            rf"(?P<before>(?:^|[?&;\s\"'(,{{\[]|\\[nrt]){_NAMES}=)",
            r"(?P<secret>(?:[^\s&;\"'<>\\]|\\(?![\"'nrt]))+)",
        ),
        # password: kettle-42. The colon also ends labels, so no mere word is taken for a secret.
        (
            rf"(?P<before>{_EDGE}(?:{_PASSWORDS}|token)(?:: ?| = ))",
            r"(?P<secret>(?=[^\s\"'<>]*[\d_!@#$%^&*=+])[^\s\"'<>,;)\]}\\]{6,})",
        ),
        # "password": "kettle of JSON that does not parse, password="kettle" of a call
        (
            rf"(?P<before>{_EDGE}{_KEYS}(?P<key>\\*[\"'])?\s*[=:]\s*(?P<quote>[\"'])(?(key)|(?=[^\s,:\[\]{{}}()=])))",
            r"(?P<secret>(?:\\.|(?!(?P=quote))[^\\\n])+)",
        ),
        # the same where quotes are escaped
        (
            rf"(?P<before>{_EDGE}{_KEYS}(?P<key>\\*[\"'])?\s*[=:]\s*(?P<quote>\\+[\"'])(?(key)|(?=[^\s,:\[\]{{}}()=])))",
            r"(?P<secret>(?:(?!(?P=quote)).)+)",
        ),
        # "pin": 1234
        (rf"(?P<before>{_EDGE}{_KEYS}\\*[\"']\s*:\s*)", r"(?P<secret>(?!(?:null|true|false)\b)[\w.+-]{3,})"),
    )
)
"""Secrets told by their names in text, however it is written."""

DETECTORS: tuple[Detector, ...] = (
    Detector(
        "private-key",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----.{0,16384}?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----", re.DOTALL
        ),
        _token("private-key"),
    ),
    Detector("jwt", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]*"), _token("jwt")),
    Detector(
        "api-key",
        re.compile(
            _EDGE + r"(?:sk-(?:[\w]+-)*[A-Za-z0-9_]{16,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"
            r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
            r"|AIza[\w-]{35}|ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}"
            r"|SG\.[\w-]{16,}\.[\w-]{16,}|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16})(?![A-Za-z0-9])"
        ),
        _token("api-key"),
    ),
    Detector(
        "bearer",
        re.compile(
            r"(?P<before>\bbearer |\bauthorization: *(?:basic|digest|token) )"
            r"(?P<secret>(?=[^\s\"']*[\d=])[\w.~+/=-]{12,})",
            re.IGNORECASE,
        ),
        _token("bearer"),
    ),
    Detector(
        "cookie",
        re.compile(r"(?P<before>\b(?:set-)?cookie: *)(?P<secret>[^\s=;\"]+=[^\r\n\"]+)", re.IGNORECASE),
        _token("cookie"),
    ),
    Detector(
        "url-credential",
        re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,128}:)(?P<secret>[^\s/@]{1,256})(?P<after>@)"),
        _token("url-credential"),
    ),
    *(Detector("secret", pattern, _token("secret")) for pattern in _NAMED),
    Detector(
        "email",
        re.compile(
            r"(?<![\w.+-])[\w.+-]+(?:@|%40)(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?![\w-])"
        ),
        _email,
    ),
    Detector("iban", re.compile(_EDGE + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?![A-Za-z0-9])"), _iban),
    Detector(
        "card",
        re.compile(
            _edge("A-Za-z0-9.+-") + r"\d(?:\d{12,18}|\d{3}([ -])\d{4}\1\d{4}\1\d{4}|\d{3}([ -])\d{6}\2\d{5})"
            r"(?![A-Za-z0-9-]|\.\d)"
        ),
        _card,
    ),
    Detector("ssn", re.compile(_edge(r"\w-") + r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"), _ssn),
    Detector(
        "phone",
        re.compile(
            _edge(r"\w+.-") + r"(?:\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,5}){1,4}"
            r"|(?:1[ .-])?\([2-9]\d\d\) ?[2-9]\d\d[ .-]\d{4}|(?:1([.-]))?[2-9]\d\d([.-])[2-9]\d\d\2\d{4})(?![\w-])"
        ),
        _phone,
    ),
    Detector("ip", re.compile(_edge(r"\w.") + r"(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"), _ipv4),
    Detector("ip", re.compile(_edge(r"\w:.") + r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:]|\.\d)"), _ipv6),
)
"""In the order they are applied: what contains others first."""
