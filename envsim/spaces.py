"""Gymnasium spaces for text: any unicode string up to a length, cheap to check and to sample."""

from __future__ import annotations

import io
import string
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from envsim.errors import missing_extra
from envsim.types import MAX_ACTION_CHARS, Observation

MAX_CHARS = {
    "goal": 32_768,
    "url": 8_192,
    "title": 1_024,
    "page": 131_072,
    "result": 131_072,
    "messages": 32_768,
    "error": 2_048,
}
"""Longest text (characters) of each observation field; longer ones are cut and end in `CUT`."""

CUT = "\n[cut]"
SCREENSHOT_SHAPE = (720, 1280, 3)
"""Height, width (pixels) and RGB channels of a screenshot, uint8."""

_PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")
_SAMPLE_CHARS = 64


class UnicodeText(spaces.Text):
    """All strings of at most `max_length` characters.

    `spaces.Text` lists its characters, which cannot be done for unicode, and samples strings as
    long as the space allows. Samples here are short and printable.
    """

    def __init__(self, max_length: int, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=_PRINTABLE, seed=seed)

    def sample(
        self,
        mask: tuple[int | None, NDArray[np.int8] | None] | None = None,
        probability: tuple[int | None, NDArray[np.float64] | None] | None = None,
    ) -> str:
        """A printable string of at most 64 characters, unless a mask asks for more."""
        if mask is None and probability is None:
            mask = (int(self.np_random.integers(0, min(self.max_length, _SAMPLE_CHARS) + 1)), None)
        return super().sample(mask, probability)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string that fits."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and self.max_length == other.max_length

    __hash__ = None  # type: ignore[assignment]


def action_space() -> UnicodeText:
    """A call string such as ``click("e4kq2")``, or the JSON of an `Action`."""
    return UnicodeText(MAX_ACTION_CHARS)


def observation_space(*, screenshot: bool = False) -> spaces.Dict:
    """One `UnicodeText` per field of `Observation`; with `screenshot`, also a uint8 image."""
    fields: dict[str, spaces.Space[Any]] = {name: UnicodeText(size) for name, size in MAX_CHARS.items()}
    if screenshot:
        fields["screenshot"] = spaces.Box(0, 255, SCREENSHOT_SHAPE, np.uint8)
    return spaces.Dict(fields)


def encode(observation: Observation) -> dict[str, str]:
    """An observation as an element of `observation_space()`; messages are ``role: text`` lines."""
    texts = {
        "goal": observation.goal,
        "url": observation.url,
        "title": observation.title,
        "page": observation.page,
        "result": observation.result,
        "messages": "\n".join(f"{message.role}: {message.text}" for message in observation.messages),
        "error": observation.error,
    }
    return {name: _fit(text, MAX_CHARS[name]) for name, text in texts.items()}


def _fit(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """A PNG as pixels of `SCREENSHOT_SHAPE`."""
    try:
        from PIL import Image  # noqa: PLC0415  (part of the browser extra)
    except ModuleNotFoundError:
        raise missing_extra("PIL", "browser") from None
    image = Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    height, width, _ = SCREENSHOT_SHAPE
    return np.asarray(image.resize((width, height)) if image.size != (width, height) else image, dtype=np.uint8)
