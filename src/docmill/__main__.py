"""The ``docmill`` command. Worker processes import this module again, so it must not import anything by itself."""


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
