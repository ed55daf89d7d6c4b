"""The ``docmill`` command. What it imports it imports as it goes, so that what comes first is done first."""


def main() -> None:
    import gc
    import os
    import sys

    gc.set_threshold(100_000)  # importing makes many objects and no garbage: Python looked for some every 700 of them
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look through all packages for some
    from docmill.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
