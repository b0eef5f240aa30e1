"""The tools of members and moderators, and the shapes they answer with."""

from . import member_tools, mod_tools, reader_tools
from .schemas import COMPONENTS

__all__ = ["ABOUT", "COMPONENTS", "TOOLS"]

TOOLS = [*reader_tools.TOOLS, *member_tools.TOOLS, *mod_tools.TOOLS]
ABOUT = "Times are ISO 8601 in the member's own time zone; scores are upvotes less downvotes, null in the first hour."
