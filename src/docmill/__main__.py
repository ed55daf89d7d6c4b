"""The ``docmill`` command. What it imports it imports as it goes, so that what comes first is done first."""

from typing import NoReturn


def main() -> NoReturn:
    import gc
    import os
    import sys

    gc.set_threshold(100_000)  # importing makes many objects and no garbage: Python looked for some every 700 of them
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look through all packages for some
    from docmill.cli.app import run

    _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End the process as it is. Python would take each imported module apart first, which is felt in every command.

    What is to be done at the end is done before: exit functions, what was printed; and where a thread is to be waited
    for, or nobody takes the output any more, it ends as Python does it.
    """
    import atexit
    import os
    import sys
    import threading

    if any(not each.daemon and each is not threading.current_thread() for each in threading.enumerate()):
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - what Python itself calls here; there is no other way
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    main()
