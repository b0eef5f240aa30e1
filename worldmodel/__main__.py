"""``python -m worldmodel``: for launchers that start a module."""

from worldmodel.cli import main

main()
