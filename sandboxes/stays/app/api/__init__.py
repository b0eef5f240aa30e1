"""The tools of guests and hosts, and the shapes they answer with."""

from . import guest_tools, host_tools
from .schemas import COMPONENTS

__all__ = ["COMPONENTS", "TOOLS"]

TOOLS = [*guest_tools.TOOLS, *host_tools.TOOLS]
