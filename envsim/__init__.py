"""envsim: turn production traces into environments you can train on, and know how far to trust each one.

Importing this package registers its gymnasium ids and loads neither torch nor docker nor a browser.
"""

from envsim.registration import register_all

__version__ = "0.1.0"

register_all()
