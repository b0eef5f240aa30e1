"""Rows are found by what they hold: once per table, for as long as whoever asks is there."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter

import pytest

from envsim.types import Action, JsonValue
from worldmodel import index
from worldmodel.index import StateIndex
from worldmodel.rules import trees
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


def test_no_question_is_asked_of_an_example_twice(monkeypatch: pytest.MonkeyPatch):
    """However deep a tree grows: answers are kept as bits."""
    read: Counter[int] = Counter()
    figure = trees.figure

    def counted(value: JsonValue) -> trees.Figure | None:
        read[id(value)] += 1
        return figure(value)

    monkeypatch.setattr(trees, "figure", counted)
    relations = Relations.learn({})
    numbers = [f"{1000 + n * 7 % 40}.00" for n in range(40)]
    seen = [
        (Scope({"argument.n": text}, {}, relations), "ab"[n % 2] if text < "1020" else "c")
        for n, text in enumerate(numbers)
    ]
    shallow = trees.grow(seen, Known.learn({}), depth=1)
    once = Counter(read)
    deep = trees.grow(seen, Known.learn({}), depth=6)
    assert read == Counter({key: 2 * count for key, count in once.items()})
    assert len(json.dumps(deep.to_json())) >= len(json.dumps(shallow.to_json()))
