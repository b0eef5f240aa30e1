"""Each real bug of the forum is met in the version that has it and not in the one that does not."""

from __future__ import annotations

import pytest

from envsim.sandbox.spec import Bug, find_spec
from tests.sandboxes.sites import tells_apart

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("spirit"), pytest.mark.timeout(600)]

SPEC = find_spec("spirit")


@pytest.mark.parametrize("bug", SPEC.bugs, ids=lambda bug: bug.id)
def test_the_oracle_tells_the_two_versions_apart(forum, bug: Bug) -> None:
    tells_apart(SPEC, bug, forum)
