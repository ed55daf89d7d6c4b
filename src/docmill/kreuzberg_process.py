"""A process of its own for kreuzberg: ``python -m docmill.kreuzberg_process MIME FORMAT MOST_CHARACTERS``.

Its Rust core aborts where a damaged file makes it ask for more memory than there is, and takes its process with it. The
file comes on stdin; one JSON object goes to stdout. Imports nothing of ours: it starts anew for each file.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    mime, output_format, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        answer = _read(sys.stdin.buffer.read(), mime, output_format, most)
    except BaseException as error:  # noqa: BLE001 - a panic of the core is no Exception, and is an answer too
        answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
    sys.stdout.buffer.write(json.dumps(answer, default=str).encode("utf-8", "replace"))


def _read(data: bytes, mime: str, output_format: str, most: int) -> dict[str, Any]:
    import kreuzberg

    # One thread: memory and processor time of a worker are limited, and there are as many workers as cores.
    config = kreuzberg.ExtractionConfig(  # type: ignore[call-arg] # its stubs do not know disable_ocr
        use_cache=False,
        output_format=output_format,
        enable_quality_processing=False,
        disable_ocr=True,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
    )
    found = kreuzberg.extract_bytes_sync(data, mime, config)
    return {
        "content": found.content[:most],
        "cut": len(found.content) > most,
        "metadata": dict(found.metadata),
        "attachments": [(str(child["path"]), child["result"].content[:most]) for child in found.children or ()],
        "warnings": [str(warning)[:200] for warning in found.processing_warnings],
    }


if __name__ == "__main__":
    main()
