"""Whatever picks actions: null, random, explorer, oracle, the oracle with flaws, scripted, ranker, chat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envsim.errors import ActionError, ContentError
from envsim.policy.base import NullPolicy, Policy, ScriptedPolicy
from envsim.policy.chat import ChatPolicy
from envsim.policy.explorer import ExplorerPolicy
from envsim.policy.flawed import LADDER, CarelessPolicy, ClumsyPolicy, FlawedPolicy, ForgetfulPolicy, HastyPolicy
from envsim.policy.noisy import NoisyPolicy
from envsim.policy.oracle import OraclePolicy
from envsim.policy.random import RandomPolicy
from envsim.policy.ranker import RankerPolicy, load_ranker

__all__ = [
    "LADDER",
    "ChatPolicy",
    "ExplorerPolicy",
    "FlawedPolicy",
    "NoisyPolicy",
    "NullPolicy",
    "OraclePolicy",
    "Policy",
    "RandomPolicy",
    "RankerPolicy",
    "ScriptedPolicy",
    "get_policy",
]


def get_policy(name: str) -> Policy:
    """A new policy, as its name says: ``null``, ``random``, ``explorer``, ``oracle``, ``noisy:P``, ``hasty:P``,
    ``forgetful:P``, ``clumsy:P``, ``careless:P``, ``scripted:FILE``, ``ranker:FILE`` or ``chat:MODEL``. P,
    the chance of a slip per step, may be left out.

    A script holds one action a line, in any form `Action.parse` reads; a ranker is what `RankerPolicy.save` wrote; a
    chat model is asked at ``$OPENAI_BASE_URL``.

    Raises:
        ContentError: No such policy, or an argument that does not fit.
    """
    kind, _, argument = name.partition(":")
    if kind not in _MAKERS:
        raise ContentError(f"There is no policy {name!r}. Use one of: {', '.join(_MAKERS)}.")
    return _MAKERS[kind](argument)


def _rated(make: Callable[[float], Policy], name: str, usual: float) -> Callable[[str], Policy]:
    """A policy whose argument is its chance of a slip."""

    def build(argument: str) -> Policy:
        try:
            rate = float(argument or usual)
        except ValueError:
            rate = -1.0
        if not 0.0 <= rate <= 1.0:
            raise ContentError(
                f"{name}:{argument} has no probability. Give a number from 0 to 1, for example {name}:{usual}."
            )
        return make(rate)

    return build


def _scripted(argument: str) -> Policy:
    try:
        lines = Path(argument).read_text(encoding="utf-8").splitlines()
        return ScriptedPolicy(line for line in lines if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"Cannot read the script {argument!r}: {error}. Write it as scripted:FILE.") from None
    except ActionError as error:
        raise ContentError(f"The script {argument!r} has an unreadable line: {error}") from None


def _chat(argument: str) -> Policy:
    if not argument:
        raise ContentError("The chat policy needs a model. Write it as chat:MODEL.")
    return ChatPolicy(argument)


def _ranker(argument: str) -> Policy:
    if not argument:
        raise ContentError("The ranker policy needs what training wrote. Write it as ranker:FILE.npz.")
    return load_ranker(Path(argument))


def _plain(make: Callable[[], Policy]) -> Callable[[str], Policy]:
    def build(argument: str) -> Policy:
        if argument:
            raise ContentError(f"This policy takes no argument ({argument!r}). Remove the colon and what follows.")
        return make()

    return build


_MAKERS: dict[str, Callable[[str], Policy]] = {
    "null": _plain(NullPolicy),
    "random": _plain(RandomPolicy),
    "explorer": _plain(ExplorerPolicy),
    "oracle": _plain(OraclePolicy),
    "noisy": _rated(NoisyPolicy, "noisy", 0.15),
    **{
        made.name: _rated(made, made.name, 0.1) for made in (HastyPolicy, ForgetfulPolicy, ClumsyPolicy, CarelessPolicy)
    },
    "scripted": _scripted,
    "ranker": _ranker,
    "chat": _chat,
}
