"""Each real bug of the shop is met in the version that has it and not in the one that does not."""

from __future__ import annotations

import pytest

from envsim.sandbox.spec import Bug, find_spec
from tests.sandboxes.sites import tells_apart

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("oscar"), pytest.mark.timeout(600)]

SPEC = find_spec("oscar")
PAIR = {"4.0", "4.2.1"}
"""The versions CI installs; benchmarks/sandboxes_apps.py proves the bugs of all four, in containers."""
HERE = [bug for bug in SPEC.bugs if bug.variants and {bug.variants.buggy, bug.variants.fixed} == PAIR]


@pytest.mark.parametrize("bug", HERE, ids=lambda bug: bug.id)
def test_the_oracle_tells_the_two_versions_apart(shop, bug: Bug) -> None:
    tells_apart(SPEC, bug, shop)


def test_two_versions_hold_the_same_rows(shop) -> None:
    views = [shop(variant).control.seed_view() for variant in sorted(PAIR)]
    assert [name for name in views[0] if views[0][name] != views[1][name]] == []


def test_the_set_covers_what_was_asked_of_it() -> None:
    assert len(SPEC.bugs) >= 17
    assert len(HERE) >= 9
    assert {bug.bug_class for bug in SPEC.bugs} >= {
        "stock-race",
        "pagination",
        "permission-drift",
        "rounding",
        "encoding",
    }
    assert all(bug.variants and "django-oscar" in bug.source for bug in SPEC.bugs)
