"""What is installed, and how docmill is told to behave."""

from __future__ import annotations

import difflib
import locale
import os
import platform
import sqlite3
import sys
from importlib import metadata
from typing import Any

from docmill import __version__
from docmill.domain.results import Check
from docmill.settings import PREFIX, Settings

_SQLITE = (3, 38)  # JSON functions are built in from there on
_PYTHONS = ((3, 11), (3, 14))
_EXTRAS = {"formats": "old Office formats", "ocr": "text in scans and images", "static": "the draft model"}
_OTHER_VARIABLES = ("MODEL_CACHE", "FAILPOINTS", "FAILPOINTS_FIRED")


def python() -> Check:
    version = platform.python_version()
    fits = _PYTHONS[0] <= sys.version_info[:2] < _PYTHONS[1]
    return Check(
        name="python",
        status="ok" if fits else "warning",
        message=f"{platform.python_implementation()} {version} on {platform.system()} {platform.machine()}",
        hint=None if fits else "docmill is tested with 3.11 to 3.13",
        details={"version": version, "executable": sys.executable, "platform": platform.platform()},
    )


def docmill() -> Check:
    try:
        installed = metadata.version("docmill")
    except metadata.PackageNotFoundError:
        installed = None
    details = {"version": __version__, "installed": installed}
    if installed not in (None, __version__):
        said = f"{__version__} runs, but {installed} is what is installed"
        return Check(name="docmill", status="warning", message=said, hint="install it again", details=details)
    return Check(name="docmill", status="ok", message=__version__, details=details)


def libraries() -> Check:
    """Those that docmill needs, held against the versions that it asks for."""
    found, wrong = {}, []
    for requirement in _required():
        name = requirement.name
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if not requirement.specifier.contains(found[name], prereleases=True):
            wrong.append(f"{name} {found[name]} is not {requirement.specifier}")
    hint = "install docmill again, or `pip check`" if wrong else None
    said = "; ".join(wrong) or f"{len(found)} libraries, all in versions that fit"
    return Check(name="libraries", status="problem" if wrong else "ok", message=said, hint=hint, details=found)


def extras() -> Check:
    there = {extra: all(_is_there(each.name) for each in _required(extra)) for extra in _EXTRAS}
    missing = [extra for extra, installed in there.items() if not installed]
    installed = [extra for extra in _EXTRAS if extra not in missing]
    said = f"installed: {', '.join(installed) or 'none'}"
    hint = None
    if missing:
        said += "; not installed: " + ", ".join(f"{each} ({_EXTRAS[each]})" for each in missing)
        hint = f"pip install 'docmill[{','.join(missing)}]', where they are wanted"
    return Check(name="extras", status="ok", message=said, hint=hint, details=there)


def sqlite() -> Check:
    old = sqlite3.sqlite_version_info < _SQLITE
    needed = ".".join(map(str, _SQLITE))
    return Check(
        name="sqlite",
        status="problem" if old else "ok",
        message=f"SQLite {sqlite3.sqlite_version}" + (f", and {needed} is needed" if old else ""),
        hint="use a Python that was built with a newer one" if old else None,
        details={"version": sqlite3.sqlite_version},
    )


def variables() -> Check:
    """Of the environment: a misspelt one changes nothing, and nobody would say so."""
    known = [PREFIX + name for name in (*map(str.upper, Settings.model_fields), *_OTHER_VARIABLES)]
    there = sorted(name for name in os.environ if name.startswith(PREFIX))
    unknown = [name for name in there if name not in known]
    if not unknown:
        said = ", ".join(there) if there else f"no {PREFIX}* variables"
        return Check(name="variables", status="ok", message=said, details={"set": there, "unknown": []})
    meant = [near for name in unknown for near in difflib.get_close_matches(name, known, n=1)]
    return Check(
        name="variables",
        status="warning",
        message=f"nothing reads {', '.join(unknown)}",
        hint=f"did you mean {', '.join(dict.fromkeys(meant))}?" if meant else "unset them",
        details={"set": there, "unknown": unknown},
    )


def encoding() -> Check:
    names = sys.getfilesystemencoding()
    fits = names.lower().replace("-", "") == "utf8"
    return Check(
        name="encoding",
        status="ok" if fits else "warning",
        message=f"names of files are {names}, the locale is {locale.getlocale()[0] or 'C'}",
        hint=None if fits else "set LANG=C.UTF-8, or PYTHONUTF8=1",
        details={"file_system": names, "locale": locale.getlocale()[0]},
    )


def _required(extra: str | None = None) -> list[Any]:
    """Requirements of docmill itself, or those that an extra adds. None where docmill was not installed."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("docmill") or []
    except metadata.PackageNotFoundError:
        return []
    all_of_them = [Requirement(each) for each in lines]
    if extra is None:
        return [each for each in all_of_them if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [each for each in all_of_them if each.marker is not None and f'"{extra}"' in str(each.marker)]


def _is_there(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
