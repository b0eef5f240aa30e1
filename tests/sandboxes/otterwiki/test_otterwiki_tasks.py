"""The wiki's tasks, on the wiki itself: sound and varied. More instances: ``envsim tasks audit --app otterwiki``."""

from __future__ import annotations

import pytest

from tests.sandboxes.kits import SoundTasks

pytestmark = [pytest.mark.xdist_group("otterwiki"), pytest.mark.timeout(300)]


class TestTasks(SoundTasks):
    app = "otterwiki"
    different = 8
