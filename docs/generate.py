"""Writes the generated pages of docs/. ``--check`` only says which of them are not up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import cli_page
import errors_page
import files_page
import formats_page
import man_page
import outcomes_page
import parameters_page
import settings_page
import statuses_page
import yaml_page

FOLDER = Path(__file__).parent
PAGES = {
    "cli.md": cli_page.page,
    "docmill.1": man_page.page,
    "errors.md": errors_page.page,
    "files.md": files_page.page,
    "formats.md": formats_page.page,
    "outcomes.md": outcomes_page.page,
    "parameters.md": parameters_page.page,
    "settings.md": settings_page.page,
    "statuses.md": statuses_page.page,
    "yaml.md": yaml_page.page,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, page in PAGES.items():
        path, wanted = FOLDER / name, page()
        if check and not (path.exists() and path.read_text("utf-8") == wanted):
            sys.stderr.write(f"{name} is not up to date\n")
            stale = 1
        elif not check:
            path.write_text(wanted, encoding="utf-8")
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
