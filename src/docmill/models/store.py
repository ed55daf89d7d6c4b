"""The model cache: one folder a model, whole or absent.

    <cache>/sentence-transformers--all-MiniLM-L6-v2/   model.onnx, tokenizer.json, …, model.json
    <cache>/<the same>@int8/                           the same, made from it: see ``int8``
    <cache>/.<folder>.lock                             held while a model is being installed
    <cache>/.<folder>.download/                        what an interrupted download leaves for the next one
    <cache>/.<folder>.staging-<hex>/                   being built; removed by the next installation if left behind

A model is built in its staging folder, flushed to disk and renamed into place, under a lock: a reader sees all of it or
nothing, and of two processes that install it at once the second finds it done. Model files are never changed in place.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from docmill import privacy
from docmill.durable import fsync
from docmill.errors import ModelMissing, StorageError
from docmill.models import hub, minilm
from docmill.models.catalog import find_known, known_models
from docmill.models.installed import RECORD, InstalledModel, folder_name, read
from docmill.models.known import MINILM, KnownModel, Quantization

if TYPE_CHECKING:
    from docmill.domain.results import ModelEntry, ModelFinding

CACHE_VARIABLE = "DOCMILL_MODEL_CACHE"
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)


def default_cache() -> Path:
    """The folder that DOCMILL_MODEL_CACHE names, else the user's cache folder for docmill. It may not exist yet."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("docmill") / "models"


def find(name: str, cache: Path, quantization: Quantization = "fp32") -> InstalledModel | None:
    """The installed model, or None where it is absent or not whole. Reads one small file; compares sizes, not bytes."""
    return read(name, cache, quantization)


def get(name: str, cache: Path, quantization: Quantization = "fp32") -> InstalledModel:
    """The installed model. Raises ModelMissing, whose hint says how to get it."""
    model = read(name, cache, quantization)
    if model is None:
        if quantization != "fp32":
            raise ModelMissing(
                f"the embedding model {name} is not installed as {quantization} in {cache}",
                hint=f"docmill models install {name} --quantization {quantization}",
                model=name,
                quantization=quantization,
            )
        if name == MINILM and minilm.weights_folder() is not None:
            raise ModelMissing(
                f"the embedding model {name} is not installed in {cache}",
                hint=f"docmill models install {name}",
                model=name,
            )
        raise hub.missing(name, f"it is not in {cache}")
    return model


def ensure(
    name: str,
    cache: Path,
    quantization: Quantization = "fp32",
    *,
    reinstall: bool = False,
    progress: bool = False,
) -> InstalledModel:
    """The installed model; where it is not, install it: from the weights package if there is one, else from the hub.

    As int8 it is made from the installed one, which is installed for it where it is not. ``reinstall`` replaces an
    installed model, for one that :func:`verify` found damaged. ``progress`` lets a download show bars on stderr. Raises
    ModelMissing where the model is unknown or cannot be had, StorageError where the cache cannot be written.
    """
    installed = None if reinstall else read(name, cache, quantization)
    if installed is not None:
        return installed
    known = find_known(name)
    if known is None:
        raise _unknown(name)
    origin = None if quantization == "fp32" else ensure(name, cache, progress=progress)
    folder = _folder(known, quantization)
    try:
        with _locked(folder, cache):
            installed = None if reinstall else read(name, cache, quantization)  # another process may have been faster
            if installed is not None:
                return installed
            return _quantize(origin, cache / folder) if origin else _install(known, cache, progress=progress)
    except OSError as error:
        raise StorageError(f"the model cache {cache} cannot be used: {error}", model=name) from error


def verify(name: str, cache: Path, quantization: Quantization = "fp32") -> list[ModelFinding]:
    """Compare each file of an installed model with its digest; an empty list means that all are as installed."""
    from docmill.domain.results import ModelFinding
    from docmill.models.assembly import file_record

    model = read(name, cache, quantization)
    if model is None:
        folder = cache / (folder_name(name, quantization) or "")
        problem = "not whole: a file is missing or has another size" if (folder / RECORD).exists() else "not installed"
        return [ModelFinding(name=name, file=RECORD, problem=problem)]
    findings = []
    shown = "" if quantization == "fp32" else f"{quantization}: "
    for file, expected in model.files.items():
        try:
            if file_record(model.folder / file) == expected:
                continue
            problem = "its bytes are not those installed"
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
        findings.append(ModelFinding(name=name, file=shown + file, problem=problem))
    return findings


def list_models(cache: Path) -> list[ModelEntry]:
    """Every known model, the default one first. ``available``: it is installed, or can be without a network.

    ``size_bytes`` is what an installed model takes on disk in all its forms, else about what its download takes.
    """
    from docmill.domain.results import ModelEntry

    entries = []
    for known in known_models():
        installed = read(known.name, cache)
        forms = [found for each in QUANTIZATIONS if (found := read(known.name, cache, each))] if installed else []
        packaged = known.name == MINILM and minilm.weights_folder() is not None
        entries.append(
            ModelEntry(
                name=known.name,
                provider=known.provider,
                dimension=known.dimension,
                max_tokens=installed.info.max_tokens if installed else known.max_tokens,
                installed=installed is not None,
                available=installed is not None or packaged,
                size_bytes=sum(form.size_bytes for form in forms) or known.download_bytes or None,
                fingerprint=installed.info.fingerprint if installed else None,
                note=_note(len(forms), packaged=packaged),
            )
        )
    return entries


def _note(forms: int, *, packaged: bool) -> str | None:
    if forms:
        return "also as int8" if forms > 1 else None
    return "from the installed weights package" if packaged else "needs a download"


def remove(name: str, cache: Path) -> int:
    """Delete an installed model, in all its forms; gives the bytes freed, 0 where it was not installed."""
    known = find_known(name)
    if known is None:
        raise _unknown(name)
    freed = 0
    for quantization in QUANTIZATIONS:
        target = cache / _folder(known, quantization)
        try:
            if target.exists():
                with _locked(target.name, cache):
                    freed += sum(path.stat().st_size for path in target.iterdir())
                    _retire(target)
        except OSError as error:
            raise StorageError(f"{target} cannot be deleted: {error}", model=name) from error
    return freed


# ---- installing ------------------------------------------------------------------------------------------------------


def _install(known: KnownModel, cache: Path, *, progress: bool) -> InstalledModel:
    from docmill.models import assembly

    target = cache / _folder(known)
    with _staged(target) as staging:
        package = minilm.weights_folder() if known.name == MINILM else None
        if package is not None:
            model = assembly.from_package(known, package, staging)
        else:
            download = cache / f".{target.name}.download"
            hub.download(known, download, progress=progress)
            model = assembly.from_download(known, download, staging)
            shutil.rmtree(download)
    return assembly.moved(model, target)


def _quantize(origin: InstalledModel, target: Path) -> InstalledModel:
    from docmill.models import assembly

    with _staged(target) as staging:
        model = assembly.quantized(origin, staging)
    return assembly.moved(model, target)


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder to build a model in, which becomes ``target`` when it is whole, and else goes."""
    staging = target.with_name(f".{target.name}.staging-{secrets.token_hex(6)}")
    staging.mkdir()
    try:
        yield staging
        _publish(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _publish(staging: Path, target: Path) -> None:
    """Flush the staging folder to disk and rename it to ``target``, in place of what may be there."""
    for path in (*staging.iterdir(), staging):
        privacy.open_up(path)  # models are nobody's secret, and users of a machine may share a cache
        fsync(path)
    if target.exists():
        _retire(target)
    staging.rename(target)
    fsync(target.parent)


def _retire(target: Path) -> None:
    """Take a model away: out of sight in one step, then file by file."""
    old = target.with_name(f".{target.name}.staging-{secrets.token_hex(6)}")
    target.rename(old)
    shutil.rmtree(old)


@contextmanager
def _locked(folder: str, cache: Path) -> Iterator[None]:
    """Hold the installation lock of one model. Staging folders found meanwhile were left by a killed process."""
    import fcntl

    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{folder}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, or its process dies
        for leftover in cache.glob(f".{folder}.staging-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _folder(known: KnownModel, quantization: Quantization = "fp32") -> str:
    name = folder_name(known.name, quantization)
    assert name is not None, "the catalogue's names are folder names"
    return name


def _unknown(name: str) -> ModelMissing:
    from difflib import get_close_matches

    near = get_close_matches(name, [model.name for model in known_models()], n=1)
    hint = f"did you mean {near[0]}?" if near else "`docmill models list` shows the known ones"
    return ModelMissing(f"there is no embedding model {name!r}", hint=hint, model=name)
