"""``python -m envsim.cli``: the `envsim` console script without an installed entry point."""

from envsim.cli.main import main

if __name__ == "__main__":
    main()
