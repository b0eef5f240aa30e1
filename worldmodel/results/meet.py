"""Objects that a call names by several fields, and what is known of each: names for `worldmodel.results.view`.

::

    arg.flights~told.prices[arg.cabin]     of each, what a result listed: a field, an entry of a table by an argument
    arg.flights~…order.flights.price       of each, the object of a list in a row that has the same fields
    kept(arg.flights~…order.flights).price the same, where the call asks for nothing else than the row has
    (kept(…).price else …prices[…])        the one, where it is not known the other
    new - old, len(row.people) * …         what a column of these adds up to, less what the row's list does, for each
    no …, paid = …                         whether such a total is nothing, whether it is what the arguments add up to
    least(…[arg.cabin])>flight_number      the least figure of a column, and which object has it
    first untold(arg.flights).date         the first object that no result told of
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worldmodel.results.implied import Rows
from worldmodel.results.told import agrees

Out = dict[str, Any]
MOST_TOTALS = 12
MOST_LENGTHS = 6


def meet(out: Out, rows: Rows) -> None:
    """Add these names to those of a view."""
    lists = {name: value for name, value in out.items() if is_objects(value)}
    asked = {name: value for name, value in lists.items() if name.startswith("arg.") and ">" not in name}
    for name, wanted in asked.items():
        told = columns(f"{name}~told", [rows.told(each) for each in wanted], out)
        told |= _entries(told, out)
        _point(name, wanted, told, out)
        found = dict(told)
        for source, known in lists.items():
            if ">" in source and name.rpartition(".")[2] == source.rpartition(".")[2]:
                both = [next((each for each in known if agrees(one, each)), None) for one in wanted]
                columns(f"{name}~{source}", both, out)
                same = _asks_nothing_else(source, out)
                kept = columns(f"kept({name}~{source})", both if same else [None] * len(both), out, known[0])
                found = {**_either(kept, known[0], told, out), **kept, **found}
                _totals(found, source, out)
        _totals(found, "", out)


def is_objects(value: Any) -> bool:
    """Whether it is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


Columns = dict[str, list[Any]]
"""By name, a value for each object; None where it is not known."""


def columns(name: str, objects: Sequence[Any], out: Out, like: Mapping[str, Any] | None = None) -> Columns:
    """The fields of objects, None where there is no object; those of the first, or of `like`."""
    out[f"all {name}"] = all(each is not None for each in objects)
    out[f"any {name}"] = any(each is not None for each in objects)
    first = like or next((each for each in objects if each is not None), {})
    made = {f"{name}.{key}": [each.get(key) if each else None for each in objects] for key in first}
    out |= made
    return made


def _entries(found: Columns, out: Out) -> Columns:
    """Entries of the objects' tables by texts at hand."""
    texts = {
        n: v for n, v in out.items() if isinstance(v, str) and n.startswith("arg.") and not any(c in n for c in "~[")
    }
    made: Columns = {}
    for name, values in found.items():
        tables = [each for each in values if isinstance(each, dict)]
        for key, text in texts.items() if tables else ():
            if all(text in each for each in tables):
                made[f"{name}[{key}]"] = [each[text] if each else None for each in values]
    out |= made
    return made


def _point(name: str, wanted: Sequence[Mapping[str, Any]], told: Columns, out: Out) -> None:
    """Which object it is that has the least of something, and which nothing told of."""
    plain = [key for key, value in wanted[0].items() if isinstance(value, str) and all(key in one for one in wanted)]
    for column, values in told.items():
        known = [(value, at) for at, value in enumerate(values) if type(value) in (int, float)]
        if known and "[" in column:
            least, at = min(known)
            out[f"least({column})"] = least
            out |= {f"least({column})>{key}": wanted[at][key] for key in plain}
    missing = next((at for at in range(len(wanted)) if not any(values[at] for values in told.values())), None)
    if missing is not None:
        out |= {f"first untold({name}).{key}": wanted[missing][key] for key in plain}


def _asks_nothing_else(source: str, out: Out) -> bool:
    """Whether the arguments that are named as plain fields of a list's row have the values that it has."""
    row = out.get(source.rpartition(".")[0])
    if not isinstance(row, dict):
        return False
    asked = {name[4:]: value for name, value in out.items() if name.startswith("arg.") and name[4:] in row}
    return all(row[name] == value for name, value in asked.items() if not isinstance(value, dict | list))


def _either(kept: Columns, like: Mapping[str, Any], told: Columns, out: Out) -> Columns:
    """Columns of what is kept, and where nothing is, of what was told: by the same name, or figures for a figure."""
    made: Columns = {}
    for one, first in kept.items():
        field = one.rpartition(".")[2]
        for other, second in told.items():
            of_table = "[" in other and _are_figures([like[field], *(each for each in second if each is not None)])
            if of_table or other.rpartition(".")[2] == field:
                both = zip(first, second, strict=True)
                made[f"({one} else {other})"] = [a if a is not None else b for a, b in both]
    out |= made
    return made


def _are_figures(values: Sequence[Any]) -> bool:
    return bool(values) and all(type(each) in (int, float) for each in values)


def _totals(found: Columns, source: str, out: Out) -> None:
    """What columns add up to, less what the list at `source` has, for each of those that the call concerns."""
    figures = {name: values for name, values in found.items() if _are_figures(values)}
    listed = {name: v for name, v in out.items() if source and name.startswith(f"{source}[].") and _are_figures(v)}
    made: Out = {}
    for name, values in list(figures.items())[:MOST_TOTALS]:
        made[f"sum({name})"] = sum(values)
        for old, before in listed.items():
            if f".{old.rpartition('.')[2]} else " in name:
                made[f"sum({name}) - sum({old})"] = sum(values) - sum(before)
    lengths = [(n, v) for n, v in out.items() if n.startswith("len(arg.") and not any(c in n for c in "~[")]
    for name, total in list(made.items()):
        made |= {f"{length} * {name}": count * total for length, count in lengths[:MOST_LENGTHS]}
    columns = [(n, v) for n, v in out.items() if n.startswith("arg.") and "[]." in n and ">" not in n]
    paid = [(n, sum(v)) for n, v in columns if _are_figures(v)]
    for name, total in list(made.items()):
        made[f"no {name}"] = total == 0
        made |= {f"sum({one}) = {name}": amount == total for one, amount in paid}
    out |= made
