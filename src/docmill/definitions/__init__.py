"""Definitions: workflows and param sets as YAML files, and the pipelines that they make.

``resolve`` is what the engine needs; ``files`` lists, reads and checks. Nothing here writes a file.
"""

from docmill.definitions.resolving import resolve, resolve_step

__all__ = ["resolve", "resolve_step"]
