"""docmill keeps folders of documents parsed, chunked, embedded and searchable in a local LanceDB.

As a library: ``docmill.open_home()`` and ``docmill.create_home()`` give a :class:`Home`, whose methods do what the
commands do. Nothing of that is imported before it is asked for, as each command and each worker imports this module.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docmill.domain.events import Event, Reporter
    from docmill.errors import DocmillError
    from docmill.library import Home, create_home, open_home

__version__ = "0.1.0"
__all__ = ["DocmillError", "Event", "Home", "Reporter", "__version__", "create_home", "open_home"]

_MODULES = {
    "DocmillError": "errors",
    "Event": "domain.events",
    "Home": "library",
    "Reporter": "domain.events",
    "create_home": "library",
    "open_home": "library",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
