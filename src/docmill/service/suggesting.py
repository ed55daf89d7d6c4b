"""What a shell offers after a Tab: names of what there is in a home.

It only looks, and a home that cannot be read has nothing. It must be over before a person notices, so it reads a few
rows by plain SQL and names of files, and waits for nobody.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from docmill.settings import HOME_NAME

MOST = 200  # more than anybody reads
_WAIT_SECONDS = 0.2
_PLAIN = re.compile(r"[\w.@%+,/~^-]+")  # what no shell would take apart; others are offered by their id, or not at all

Found = list[tuple[str, str]]  # a value, and a word about it


def batches(home: Path, prefix: str) -> Found:
    """By name; by id where there is no name, or one that would have to be quoted."""
    rows = _rows(home, "SELECT id, name, status FROM batch ORDER BY id DESC LIMIT ?", 10 * MOST)
    named = [
        (name, status) if _PLAIN.fullmatch(name or "") else (str(id_), name or status) for id_, name, status in rows
    ]
    return [each for each in named if each[0].startswith(prefix)][:MOST]


def sources(home: Path, prefix: str) -> Found:
    rows = _rows(home, "SELECT name, folder FROM source ORDER BY name LIMIT ?", 10 * MOST)
    return _plain(((name, folder or "") for name, folder in rows), prefix)


def documents(home: Path, prefix: str) -> Found:
    sql = "SELECT uri, source FROM document WHERE state = 'active' AND substr(uri, 1, ?) = ? ORDER BY uri LIMIT ?"
    return _plain(_rows(home, sql, len(prefix), prefix, MOST), prefix)


def run_groups(home: Path, prefix: str) -> Found:
    rows = _rows(home, "SELECT id, status FROM run_group ORDER BY id DESC LIMIT ?", MOST)
    return _plain(((str(id_), status) for id_, status in rows), prefix)


def databases(home: Path, prefix: str) -> Found:
    return _plain(((each.name, "") for each in sorted((home / "lancedb").glob("[!.]*")) if each.is_dir()), prefix)


def workflows(home: Path, prefix: str) -> Found:
    return _definitions(home, "workflows", prefix)


def param_sets(home: Path, prefix: str) -> Found:
    return _definitions(home, "param-sets", prefix)


def settled_home(named: Path | None) -> Path | None:
    """The home as all commands find it, without anything that they would say or refuse."""
    given = named or os.environ.get("DOCMILL_HOME")
    if given:
        return Path(given).expanduser()
    here = Path.cwd()
    return next((each / HOME_NAME for each in (here, *here.parents) if (each / HOME_NAME).is_dir()), None)


def quietly(kind: Callable[[Path, str], Found], named: Path | None, prefix: str) -> Found:
    """What there is of a kind; nothing where anything goes wrong: nobody asked for a message in the midst of typing."""
    try:
        home = settled_home(named)
        return kind(home, prefix) if home is not None else []
    except (OSError, ValueError, sqlite3.Error):
        return []


def _definitions(home: Path, kind: str, prefix: str) -> Found:
    from docmill.definitions.files import PARAM_SET, WORKFLOW, shipped_folder

    shipped = shipped_folder(WORKFLOW) if kind == "workflows" else shipped_folder(PARAM_SET)
    named = {each.stem: "yours" for each in (home / kind).glob("*.yaml")}
    return _plain(sorted((named | {each.stem: "shipped" for each in shipped.glob("*.yaml")}).items()), prefix)


def _plain(rows: Iterable[tuple[str, str]], prefix: str) -> Found:
    return [(value, about) for value, about in rows if _PLAIN.fullmatch(value) and value.startswith(prefix)][:MOST]


def _rows(home: Path, sql: str, *values: object) -> list[Any]:
    uri = f"{(home / 'state.db').absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS)) as connection:
        return connection.execute(sql, values).fetchall()
