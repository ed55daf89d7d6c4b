"""The tree drawn in errors.py is the tree that is there."""

from __future__ import annotations

import inspect
import re

from docmill import errors
from docmill.errors import DocmillError


def test_the_drawing_names_every_error_with_its_code() -> None:
    drawing = errors.__doc__ or ""
    for name, each in inspect.getmembers(errors, inspect.isclass):
        if issubclass(each, DocmillError):
            assert re.search(rf"\b{name}\b", drawing), name
            if not issubclass(each, errors.DocumentError):
                assert each.code in drawing, each.code


def test_codes_are_unique_and_exit_codes_known() -> None:
    classes = [each for _name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, DocmillError)]
    codes = [each.code for each in classes if each not in (errors.DocumentError,)]
    assert len(codes) == len(set(codes))
    assert {each.exit_code for each in classes} <= {1, 2, 3, 4, 5, 6, 7, 8, 130}


def test_context_is_part_of_the_json() -> None:
    error = errors.InvalidState("no", hint="do", current_status="paused")
    assert error.as_dict() == {
        "code": "INVALID_BATCH_STATE",
        "message": "no",
        "hint": "do",
        "current_status": "paused",
    }
