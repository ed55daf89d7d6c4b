"""Asks a server that speaks OpenAI's embeddings API, and believes nothing that it answers.

Each failure is one of three. What may pass is tried again, after a pause that grows, or that the server names. What the
server will never do ends the command, with its words. What is left may be the texts' fault or the server's: then a text
that the server could embed before is sent alone, and the answer tells.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from docmill import __version__
from docmill.errors import ModelRefused, ModelUnreachable, ProcessingError, TemporaryFailure
from docmill.models.witness import TEXT
from docmill.web import Answer, Refused, Unreachable, Web, parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0  # a server that asks for more is taken to be away
_BYTES_A_TEXT = 1024 * 1024  # 16,384 numbers of 25 digits are 400 kB
_BYTES_BESIDES = 256 * 1024
_CHARACTERS_A_TOKEN = 3  # rather too few, as with all that is guessed here
_LONGEST_WORDS = 200
_PASSING = frozenset({408, 409, 425, 429})  # client errors that may pass by themselves
_OF_THE_TEXTS = frozenset({400, 413, 422})
_KEY_HINT = "the key is read from the environment variable that embed.api_key_env names"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model on a server, and how it is asked.

    url: with ``/v1`` or whatever the API lies under. key: sent as a bearer token, and told to nobody.
    dimensions: asked for, where a model offers several. encoding: ``float`` or ``base64``; either is understood.
    concurrency: requests in flight at once. request_texts and request_tokens: in one of them, tokens by estimate.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    dimensions: int | None = None
    encoding: str = "float"
    timeout_s: float = 60.0
    retries: int = 4
    concurrency: int = 4
    request_texts: int = 32
    request_tokens: int = 16_384


class _Passing(Exception):
    """No answer, or none that is of use now. ``pause_s``: how long the server asks to be left alone."""

    def __init__(self, said: str, pause_s: float | None = None) -> None:
        super().__init__(said)
        self.pause_s = pause_s


class _Unusable(Exception):
    """An answer that would be the same again, which the texts may have brought about."""


class EmbeddingClient:
    """``dimension``: of every vector, once it is known."""

    def __init__(self, endpoint: Endpoint, dimension: int | None = None) -> None:
        named = parse(endpoint.url)
        self._endpoint = endpoint
        self._dimension = dimension
        self._origin = named.origin
        self._address = f"{endpoint.url.rstrip('/')}/embeddings"
        # The user has named this very machine, so it may be any: but no other, and so no redirect is followed.
        self._web = Web((f"{named.host_text}:{named.port}",))

    def embed(self, texts: Sequence[str], *, retries: int | None = None) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1; at least one text. ``retries``: if not the usual.

        Raises ModelUnreachable and ModelRefused where it is the server that fails, ProcessingError and TemporaryFailure
        where it is these texts.
        """
        import numpy as np

        parts, stop = list(self._parts(texts)), threading.Event()
        retries = self._endpoint.retries if retries is None else retries
        with ThreadPoolExecutor(min(self._endpoint.concurrency, len(parts)), "embed") as pool:
            futures = [pool.submit(self._part, part, stop, retries) for part in parts]
            try:
                return np.concatenate([future.result() for future in futures])
            except BaseException:
                stop.set()  # the others need not wait for their next try
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def ask_witness(self) -> NDArray[np.float32]:
        """``(dimension,)``: the vector of the witness's text. Raises ModelUnreachable, ModelRefused."""
        try:
            vector: NDArray[np.float32] = self._patiently([TEXT], threading.Event(), self._endpoint.retries)[0]
        except _Passing as error:
            raise self._unreachable(error) from None
        except _Unusable as error:
            raise self._refused(error) from None
        return vector

    # ---- one request, as often as it takes ---------------------------------------------------------------------------

    def _parts(self, texts: Sequence[str]) -> Iterator[list[str]]:
        part: list[str] = []
        tokens = 0
        for text in texts:
            more = len(text) // _CHARACTERS_A_TOKEN + 1
            if part and (len(part) == self._endpoint.request_texts or tokens + more > self._endpoint.request_tokens):
                yield part
                part, tokens = [], 0
            part.append(text)
            tokens += more
        yield part

    def _part(self, texts: list[str], stop: threading.Event, retries: int) -> NDArray[np.float32]:
        try:
            return self._patiently(texts, stop, retries)
        except (_Passing, _Unusable) as error:
            self._blame(error)

    def _patiently(self, texts: list[str], stop: threading.Event, retries: int) -> NDArray[np.float32]:
        began = time.monotonic()
        for tried in range(retries + 1):
            try:
                return self._once(texts)
            except _Passing as error:
                pause = max(_pause(tried), error.pause_s or 0.0)
                hangs = time.monotonic() - began > 2 * self._endpoint.timeout_s
                if hangs or tried == retries or pause > LONGEST_PAUSE_S or stop.wait(pause):
                    raise
        raise AssertionError("the last try returns or raises")

    def _blame(self, error: _Passing | _Unusable) -> NoReturn:
        """Whose fault it is, by a text that is none's: many servers answer 500 to a text that is too long for them."""
        try:
            self._once([TEXT])
        except _Passing as again:
            raise self._unreachable(again) from None
        except _Unusable as again:
            raise self._refused(again) from None
        if isinstance(error, _Passing):
            raise TemporaryFailure(f"the embedding server does not take it now: {error}") from None
        raise ProcessingError(f"the embedding server does not take it: {error}") from None

    def _once(self, texts: list[str]) -> NDArray[np.float32]:
        endpoint = self._endpoint
        asked: dict[str, Any] = {"model": endpoint.model, "input": texts, "encoding_format": endpoint.encoding}
        if endpoint.dimensions is not None:
            asked["dimensions"] = endpoint.dimensions
        headers = {"Content-Type": "application/json", "User-Agent": f"docmill/{__version__}"}
        if endpoint.key is not None:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        try:
            answer = self._web.request(
                "POST",
                self._address,
                headers=headers,
                body=json.dumps(asked).encode(),
                timeout_s=endpoint.timeout_s,
                most_bytes=_BYTES_A_TEXT * len(texts) + _BYTES_BESIDES,
                follow=False,
            )
        except Unreachable as error:
            raise _Passing(str(error)) from None
        except Refused as error:
            raise ModelRefused(str(error), model=endpoint.model) from None
        if answer.status != 200:
            self._complain(answer)
        return self._vectors(answer, len(texts))

    # ---- answers -----------------------------------------------------------------------------------------------------

    def _complain(self, answer: Answer) -> NoReturn:
        """Raises what an answer means that is none."""
        words = _words(answer.body, self._endpoint.key)
        said = f"{self._origin} answers {answer.status}{f' ({words})' if words else ''}"
        if answer.status >= 500 or answer.status in _PASSING:
            raise _Passing(said, answer.retry_after)
        if answer.status in _OF_THE_TEXTS:
            raise _Unusable(said)
        hint = None
        if answer.status in (401, 403):
            hint = _KEY_HINT if self._endpoint.key is None else f"the key that was sent is refused; {_KEY_HINT}"
        elif answer.status in (404, 405) or answer.status < 400:
            hint = "check embed.model, and embed.base_url, which usually ends in /v1"
        raise ModelRefused(said, hint=hint, model=self._endpoint.model)

    def _vectors(self, answer: Answer, count: int) -> NDArray[np.float32]:
        """``(count, dimension)``, in the order of the texts. Raises _Passing for what is no JSON, else _Unusable."""
        import numpy as np

        try:
            rows = json.loads(answer.body)["data"] if answer.whole else None
        except (ValueError, KeyError, TypeError, RecursionError):
            rows = None
        if not isinstance(rows, list):
            raise _Passing(f"{self._origin} answers with something else than embeddings")
        found: dict[int, NDArray[np.float32]] = {}
        for place, row in enumerate(rows):
            index = row.get("index", place) if isinstance(row, dict) else None
            if type(index) is not int:
                raise _Unusable(f"{self._origin} gives an embedding without a number")
            found[index] = self._vector(row.get("embedding"))
        if len(rows) != count or found.keys() != set(range(count)):
            raise _Unusable(f"{self._origin} gives {len(rows)} embeddings for {count} texts")
        if len({len(vector) for vector in found.values()}) != 1:
            raise _Unusable(f"{self._origin} gives vectors of several lengths")
        return np.stack([found[index] for index in range(count)])

    def _vector(self, given: Any) -> NDArray[np.float32]:
        """Of length 1, and of the dimension that is expected."""
        import numpy as np

        try:
            if isinstance(given, str):
                numbers = np.frombuffer(base64.b64decode(given, validate=True), "<f4").astype(np.float64)
            else:
                numbers = np.array(given, np.float64)
        except (ValueError, TypeError, OverflowError):
            raise _Unusable(f"{self._origin} gives an embedding that is no list of numbers") from None
        if numbers.ndim != 1 or not len(numbers):
            raise _Unusable(f"{self._origin} gives an embedding that is no list of numbers")
        if self._dimension is not None and len(numbers) != self._dimension:
            raise _Unusable(f"{self._origin} gives vectors of {len(numbers)} numbers, not {self._dimension}")
        length = float(np.linalg.norm(numbers))
        if not 0 < length < float("inf"):  # nor NaN
            raise _Unusable(f"{self._origin} gives a vector that points nowhere (NaN, infinite or zero)")
        return np.asarray(numbers / length, np.float32)

    def _unreachable(self, error: Exception) -> ModelUnreachable:
        return ModelUnreachable(f"the embedding server does not serve: {error}", model=self._endpoint.model)

    def _refused(self, error: Exception) -> ModelRefused:
        return ModelRefused(f"the embedding server refuses: {error}", model=self._endpoint.model)


def _pause(tried: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds before another try: doubled each time, and spread, so that many clients do not come back at once."""
    return float(min(FIRST_PAUSE_S * 2**tried, LONGEST_PAUSE_S) * (0.5 + chance() / 2))


def _words(body: bytes, key: str | None) -> str:
    """What a server says of its failure, as one short line, without the key, which some repeat."""
    text = body[:4096].decode("utf-8", "replace")
    try:
        told = json.loads(body)
        told = told.get("error", told) if isinstance(told, dict) else told
        told = told.get("message", told) if isinstance(told, dict) else told
        text = told if isinstance(told, str) else json.dumps(told)
    except (ValueError, RecursionError):
        pass  # some send plain text, or a page
    text = " ".join(text.replace(key, "***").split() if key else text.split())
    return "".join(character if character.isprintable() else "?" for character in text)[:_LONGEST_WORDS]
