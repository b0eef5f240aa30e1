"""The forum's tasks, on the forum itself: sound and varied. More instances: ``envsim tasks audit --app spirit``."""

from __future__ import annotations

import pytest

from tests.sandboxes.kits import SoundTasks

pytestmark = [pytest.mark.xdist_group("spirit"), pytest.mark.timeout(300)]


class TestTasks(SoundTasks):
    app = "spirit"
