"""A Haystack engine that asks the shop's own tables, so that no index has to be kept and reset beside them.

Haystack's `simple` engine knows no filters and no facets, and categories of Oscar from 3.2.5 on are filters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from typing import Any

from django.apps import apps
from django.db.models import Count, F, IntegerField, Min, Q, QuerySet
from django.db.models.functions import Cast, Coalesce
from haystack import connections
from haystack.backends import BaseEngine, BaseSearchBackend, BaseSearchQuery, SearchNode
from haystack.models import SearchResult

TEXT = ("title", "upc", "description")
SORTS = {"price": "cost", "title_exact": "title", "date_created": "date_created", "rating": "rating"}
_TERM = re.compile(r'"([^"]*)"|(\S+)')
_NARROW = re.compile(r"^(?P<field>\w+?)(?:_exact)?:\((?P<values>.*)\)$")
_RANGE = re.compile(r"^\[(?P<low>\S+) TO (?P<high>\S+)\]$")


def text_filter(query: str) -> Q:
    """Every word or quoted phrase of `query` in title, number or description; with a minus, in none."""
    found = Q()
    for phrase, word in _TERM.findall(query):
        term = phrase or word
        negated = not phrase and term.startswith("-") and len(term) > 1
        hit = reduce(Q.__or__, (Q(**{f"{field}__icontains": term.lstrip("-")}) for field in TEXT))
        found &= ~hit if negated else hit
    return found


def price_filter(text: str) -> Q:
    """``[20 TO 40]``, both included, ``*`` for no bound."""
    match = _RANGE.match(text)
    if match is None:
        return Q(pk__in=[])
    out = Q(cost__isnull=False)
    if match["low"] != "*":
        out &= Q(cost__gte=match["low"])
    if match["high"] != "*":
        out &= Q(cost__lte=match["high"])
    return out


def narrow_filter(text: str) -> Q:
    """One chosen facet, as Oscar's search form writes them: ``rating:("4" OR "5")``."""
    match = _NARROW.match(text)
    if match is None:
        return Q(pk__in=[])
    out = Q(pk__in=[])
    for value in match["values"].split(" OR "):
        if match["field"] == "price":
            out |= price_filter(value)
        elif match["field"] == "rating":
            out |= Q(stars=value.strip('"')) if value.strip('"').isdigit() else Q(pk__in=[])
        elif match["field"] == "product_class":
            out |= Q(product_class__name=value.strip('"'))
    return out


class Query(BaseSearchQuery):
    """Turns a Haystack query into a Django filter."""

    def build_query(self) -> Q:
        return self._build(self.query_filter)

    def _build(self, node: SearchNode) -> Q:
        parts = [self._build(c) if isinstance(c, SearchNode) else self._leaf(*c) for c in node.children]
        joined = reduce(Q.__or__ if node.connector == "OR" else Q.__and__, parts, parts.pop(0) if parts else Q())
        return ~joined if node.negated else joined

    def _leaf(self, expression: str, value: Any) -> Q:
        field, kind = self.split_expression(expression) if hasattr(self, "split_expression") else _split(expression)
        if field == "content":
            return text_filter(getattr(value, "query_string", str(value)))
        if field == "category":
            return Q(categories__in=value)
        if field == "is_public":
            return Q(is_public=str(value).lower() == "true")
        return Q(**{f"{field}__in" if kind == "in" else field: value})


def _split(expression: str) -> tuple[str, str]:
    field, _, kind = expression.partition("__")
    return field, kind


class Backend(BaseSearchBackend):
    """Answers a filter from the product table."""

    def update(self, index: Any, iterable: Iterable[Any], commit: bool = True) -> None:
        pass

    def remove(self, obj_or_string: Any, commit: bool = True) -> None:
        pass

    def clear(self, models: Any = None, commit: bool = True) -> None:
        pass

    def search(
        self,
        query_string: Q,
        sort_by: list[str] | None = None,
        start_offset: int = 0,
        end_offset: int | None = None,
        facets: dict[str, Any] | None = None,
        query_facets: list[tuple[str, str]] | None = None,
        narrow_queries: Iterable[str] | None = None,
        result_class: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        found = self._products().filter(query_string)
        for text in narrow_queries or ():
            found = found.filter(narrow_filter(text))
        pks = found.order_by(*_ordering(sort_by or ())).values_list("pk", flat=True)
        # A product in two of the categories asked for is still one product.
        ordered = list(dict.fromkeys(pks))
        answer = {"results": self._results(ordered[start_offset:end_offset], result_class), "hits": len(ordered)}
        if facets or query_facets:
            answer["facets"] = _facets(self._products().filter(pk__in=ordered), query_facets or ())
        return answer

    def _products(self) -> QuerySet[Any]:
        model = apps.get_model("catalogue", "Product")
        return model.objects.browsable().annotate(
            cost=Coalesce(Min("children__stockrecords__price"), Min("stockrecords__price")),
            stars=Cast(F("rating"), IntegerField()),
        )

    def _results(self, pks: list[int], result_class: Any) -> list[Any]:
        model = apps.get_model("catalogue", "Product")
        index = connections[self.connection_alias].get_unified_index().get_index(model)
        objects = index.read_queryset(using=self.connection_alias).in_bulk(pks)
        results = []
        for pk in (pk for pk in pks if pk in objects):
            result = (result_class or SearchResult)("catalogue", "product", pk, 0)
            result._model, result._object = model, objects[pk]
            results.append(result)
        return results


def _ordering(sort_by: Iterable[str]) -> list[Any]:
    out: list[Any] = []
    for name in sort_by:
        column = F(SORTS.get(name.lstrip("-"), "title"))
        out.append(column.desc(nulls_last=True) if name.startswith("-") else column.asc(nulls_last=True))
    return [*out, "-date_created", "-pk"]


def _facets(found: QuerySet[Any], ranges: Iterable[tuple[str, str]]) -> dict[str, Any]:
    kinds = found.order_by().values_list("product_class__name").annotate(n=Count("pk", distinct=True))
    stars = found.order_by().exclude(rating=None).values_list("stars").annotate(n=Count("pk", distinct=True))
    counted = {f"price:{text}": found.filter(price_filter(text)).count() for _, text in ranges}
    return {
        "fields": {
            "product_class": sorted(kinds, key=lambda row: (-row[1], row[0])),
            "rating": sorted(((str(value), n) for value, n in stars), reverse=True),
        },
        "dates": {},
        # Some versions ask for these by the name of the exact field; all of them are about the price.
        "queries": counted | {key.replace(":", "_exact:", 1): n for key, n in counted.items()},
    }


class Engine(BaseEngine):
    backend = Backend
    query = Query
