"""Traces -> a population of simulated users: what ``envsim personas mine`` runs.

The result is a `envsim.user.persona.Population`: one persona per group of users with its decision rates and
their intervals, templates for the agenda user, and behaviour tables for the mined user (`envsim.user.mined`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.errors import ContentError
from envsim.user.behaviour import SLOT, Behaviour, Move
from envsim.user.ear import fit_ear
from envsim.user.mine_balance import balanced
from envsim.user.mine_moves import Account, heard_labels, mine_moves, mine_surfaces
from envsim.user.mine_rates import RATES, STYLE, Rate, Tally, groups, posterior, priors_of, rates, tallies
from envsim.user.persona import Kind, Persona, Population, Style
from envsim.user.sessions import Session
from envsim.user.utter import MAX_TEMPLATE, TemplateBank

MANIFEST = "manifest.json"
MOST_FACTS = 6
"""Facts of one turn that are told apart; more count as this many."""

FEWEST_USERS = 5

Watch = Callable[[str, int], Callable[[], None]]
"""``(what, parts)`` -> what to call after each part."""


def _nobody(what: str, parts: int) -> Callable[[], None]:
    del what, parts
    return lambda: None


@dataclass(frozen=True)
class Mined:
    """A population and what it rests on."""

    population: Population
    users: dict[str, dict[str, Rate]]
    """User -> rate -> posterior."""
    groups: dict[str, int]
    account: Account
    sessions: int
    turns: int

    def summary(self) -> dict[str, Any]:
        """As ``envsim personas mine --json`` prints it."""
        return {
            "name": self.population.name,
            "sessions": self.sessions,
            "users": len(self.users),
            "turns": self.turns,
            "moves": self.account.kept,
            "dropped": dict(sorted(self.account.dropped.items())),
            "groups": [
                {"persona": kind.persona.id, "users": kind.users, "rates": _rates(kind)}
                for kind in self.population.kinds
            ],
        }


def _rates(kind: Kind) -> dict[str, dict[str, float]]:
    flat = {**dict(kind.persona), **dict(kind.persona.style)}
    return {n: {"mean": flat[n], "low": low, "high": high} for n, (low, high) in sorted(kind.interval.items())}


def mine(
    sessions: Sequence[Session], *, name: str = "mined", seed: int = 0, rounds: int = 2, watch: Watch = _nobody
) -> Mined:
    """The population of the users in `sessions`.

    Args:
        sessions: Conversations; those without a goal give rates but no moves.
        name: Of the population.
        seed: Of grouping and balancing.
        rounds: Of balancing, see `envsim.user.mine_balance`; 0 for none.
        watch: Told of the long parts.

    Raises:
        ContentError: Too few users to say anything about.
    """
    per_user = tallies(sessions)
    if len(per_user) < FEWEST_USERS:
        raise ContentError(
            f"There are {len(per_user)} users in these traces; rates need at least {FEWEST_USERS}. Add more sessions."
        )
    grouped = groups(per_user, seed=seed)
    account = Account()
    heard = [(turn.heard, heard_labels(turn)) for session in sessions for turn in session.turns]
    behaviour = Behaviour(
        moves=mine_moves(sessions, grouped, account), surfaces=mine_surfaces(sessions), ear=fit_ear(heard)
    )
    if behaviour.moves and rounds:
        advance = watch("balancing", rounds * len(sessions))
        behaviour = balanced(behaviour, sessions, grouped, account.texts, rounds=rounds, seed=seed, on_session=advance)
    population = Population(
        name=name,
        doc=f"Mined from {len(sessions)} sessions of {len(per_user)} users.",
        kinds=tuple(_kinds(per_user, grouped)),
        templates=_templates(behaviour.moves),
        behaviour=behaviour.model_dump(mode="json") if behaviour.moves else {},
    )
    turns = sum(len(session.turns) for session in sessions)
    return Mined(population, rates(per_user), grouped, account, len(sessions), turns)


def write(mined: Mined, folder: Path, inputs: Sequence[Path]) -> None:
    """Save the population, with a manifest that holds the hash of every input file.

    Raises:
        ContentError: The folder cannot be written to.
    """
    try:
        mined.population.save(folder)
        manifest = {"stage": "personas", "inputs": {path.name: _sha256(path) for path in inputs}, **mined.summary()}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ContentError(f"Cannot write {folder}: {error.strerror}. Choose another with -o.") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- personas --------------------------------------------------------------------------------------


def _kinds(per_user: Mapping[str, Tally], grouped: Mapping[str, int]) -> list[Kind]:
    """One persona per group: its users' counts together, under the prior of everybody."""
    priors = priors_of(per_user)
    kinds = []
    for group in sorted(set(grouped.values())):
        members = [per_user[user] for user in sorted(grouped) if grouped[user] == group]
        found: dict[str, Rate] = {}
        for name, before in priors.items():
            taken = sum(tally.counts[name][0] for tally in members)
            chances = sum(tally.counts[name][1] for tally in members)
            found[name] = posterior(taken, chances, before)
        fields: dict[str, Any] = {name: round(found[name].mean, 4) for name in RATES if name in found}
        style = Style(**{name: round(found[name].mean, 4) for name in STYLE if name in found}, **_manner(members))
        for field, lists in (("disclose_first", [t.first for t in members]), ("disclose", [t.later for t in members])):
            if weights := _histogram([value for row in lists for value in row]):
                fields[field] = weights
        kinds.append(
            Kind(
                persona=Persona(id=f"group-{group}", style=style, **fields),
                weight=len(members),
                users=len(members),
                interval={name: (round(rate.low, 4), round(rate.high, 4)) for name, rate in found.items()},
            )
        )
    return kinds


def _manner(members: Sequence[Tally]) -> dict[str, Any]:
    """Terse below 8 words a turn, chatty above 20."""
    lengths = [length for tally in members for length in tally.words]
    mean = sum(lengths) / max(len(lengths), 1)
    return {"manner": "terse" if mean < 8 else "chatty" if mean > 20 else "casual"}


def _histogram(values: Sequence[int]) -> tuple[float, ...]:
    """Share of turns that told 0, 1, 2... facts, with half a turn added to each."""
    if not values:
        return ()
    counts = Counter(min(value, MOST_FACTS) for value in values)
    longest = max(counts)
    total = len(values) + 0.5 * (longest + 1)
    return tuple(round((counts[k] + 0.5) / total, 4) for k in range(longest + 1))


# -- templates -------------------------------------------------------------------------------------


def _templates(moves: Sequence[Move]) -> TemplateBank | None:
    """What of the moves an agenda user can say as well: facts told, thanks and goodbyes that stand for themselves."""
    bank: dict[str, dict[str, list[str]]] = {}
    for move in moves:
        key = _key(move)
        if key and not (move.given or move.same or move.mentions or move.announced) and len(move.text) <= MAX_TEMPLATE:
            text = SLOT.sub(lambda m: "{value}" if "+" not in key else f"{{{m[1]}}}", move.text)  # noqa: B023
            if not set("{}") & set(SLOT.sub("", text)):
                bank.setdefault(key, {}).setdefault("any", []).extend([text] * move.count)
    if not bank:
        return None
    return TemplateBank(
        templates={key: {m: tuple(t) for m, t in manners.items()} for key, manners in sorted(bank.items())}
    )


def _key(move: Move) -> str:
    """The bank's key of a move's acts; empty where the agenda user has no such acts."""
    facts = [act for act in move.acts if act.startswith("inform:")]
    if facts and len(facts) == len(move.acts):
        places = {match[1] for match in SLOT.finditer(move.text)}
        return "+".join(facts) if places == {act[7:] for act in facts} else ""
    alone = {"thank": "thanks", "bye": "bye"}.get("+".join(move.acts), "")
    return "" if SLOT.search(move.text) else alone
