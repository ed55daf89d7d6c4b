"""LanceDB is imported without what only remote catalogues need, and that is there when it is asked for all the same."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from docmill.stores.lance import import_lancedb
lancedb = import_lancedb()
package = "lance_namespace_urllib3_client"
assert f"{package}.api" not in sys.modules, "the remote client was imported"
import importlib
assert importlib.import_module(package).ApiClient.__name__ == "ApiClient"
assert f"{package}.api" in sys.modules
from lance_namespace_urllib3_client import Configuration
"""


def test_the_remote_client_is_imported_only_when_it_is_asked_for():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
