"""envsim: turn production traces into environments you can train on, and know how far to trust each one."""

__version__ = "0.1.0"
