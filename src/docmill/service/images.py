"""Which images of a folder become documents: those whose parameters have OCR read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from docmill.domain.params import ParseParams
from docmill.domain.sources import SourceSettings
from docmill.domain.workflow import StepType
from docmill.service import definitions


def wanted(home: Path, settings: SourceSettings) -> Callable[[str], bool]:
    """Whether the image of a URI is read. Definitions are looked up for the first image, not before.

    What it returns raises DefinitionNotFound and DefinitionError.
    """

    @cache
    def by_profile(profile: str) -> bool:
        overrides = [*settings.overrides, *(json.loads(profile) if profile else ())]
        params = definitions.resolve(home, settings.workflow, settings.params, overrides).step(StepType.PARSE).params
        assert isinstance(params, ParseParams)
        return params.ocr != "off"

    return lambda uri: by_profile(settings.profile(uri))
