"""Rows are found by what they hold: once per table, for as long as whoever asks is there."""

from __future__ import annotations

import gc
import weakref
from collections import Counter

import pytest

from envsim.types import Action
from worldmodel import index
from worldmodel.index import StateIndex
from worldmodel.rules import branches
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope
from worldmodel.session import Session


class Table(dict):
    """One that can be watched, and that counts how often it was walked over."""

    walks = 0

    def items(self):
        self.walks += 1
        return super().items()


def rows(*names: str) -> Table:
    return Table({f"SKU{number:02}": {"name": name, "n": number} for number, name in enumerate(names)})


def test_a_table_is_read_once_and_another_one_anew():
    known, table = StateIndex(), rows("Oak lamp", "Tin rug", "Tin rug")
    assert known.words(table)["Tin rug"] == ["SKU01", "SKU02"]
    assert known.words(table)["SKU00"] == ["SKU00"]
    assert known.keys(table, "name") == {"Oak lamp": "SKU00", "Tin rug": "SKU02"}
    assert known.keys(table, "n") == {}
    known.keys(table, "name")
    assert table.walks == 3  # words, and two fields
    changed = Table({**table, "SKU03": {"name": "Oak lamp"}})
    assert known.keys(changed, "name")["Oak lamp"] == "SKU03"
    assert known.keys(table, "name")["Oak lamp"] == "SKU00"


def test_no_more_tables_are_kept_than_were_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(index, "MOST", 3)
    known, kept = StateIndex(), []
    for number in range(10):
        table = rows(str(number))
        kept.append(weakref.ref(table))
        assert known.keys(table, "name") == {str(number): "SKU00"}
    del table
    gc.collect()
    assert sum(ref() is not None for ref in kept) <= 3


def test_nothing_of_a_state_outlives_the_session_that_believed_it():
    table = rows("Oak lamp", "Tin rug", "Brass hook")
    gone = weakref.ref(table)
    session = Session("tools", {"products": table})
    situation = session.copy().ask(Action.call("find", name="Tin rug"))
    assert 'products/SKU01"' in situation.facts[1]
    relations = Relations.learn({"products": table})
    assert list(relations.called({"products": table}, "Tin rug")) == [("products", "SKU01")]
    del session, situation, relations, table
    gc.collect()
    assert gone() is None


def test_each_question_is_asked_once_of_each_example(monkeypatch: pytest.MonkeyPatch):
    asked: Counter[tuple[str, int]] = Counter()
    holds = branches.Test.holds

    def counted(test: branches.Test, scope: Scope) -> bool:
        asked[repr(test), id(scope)] += 1
        return holds(test, scope)

    monkeypatch.setattr(branches.Test, "holds", counted)
    relations = Relations.learn({})
    seen = [
        (Scope({"argument.n": n, "argument.on": n % 2}, {}, relations), "yes" if n > 5 else "no") for n in range(12)
    ]
    tree = branches.grow(seen, Known.learn({}), depth=1)
    assert tree.test is not None
    assert max(asked.values()) == 1
