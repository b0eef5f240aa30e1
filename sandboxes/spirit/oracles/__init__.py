"""One oracle per bug, and what they have in common."""

from .account import empty_next as empty_next
from .account import foreign_next as foreign_next
from .account import reset_complete as reset_complete
