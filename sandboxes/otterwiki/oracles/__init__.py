"""One oracle per bug, and what they have in common."""

from .pages import code_spaces as code_spaces
from .pages import old_revision as old_revision
from .pages import umlaut_commit as umlaut_commit
from .settings import empty_password as empty_password
from .settings import feed_leak as feed_leak
from .settings import preferences_undone as preferences_undone
from .uploads import attachment_name as attachment_name
