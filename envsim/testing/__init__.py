"""Public conformance kits: hold your own worlds and sandboxes to the contracts ours are held to."""

from envsim.testing.world import FakeWorld, NonConformance, check_world

__all__ = ["FakeWorld", "NonConformance", "check_world"]
