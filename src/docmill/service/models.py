"""Embedding models: which there are, getting one, and checking what is installed."""

from __future__ import annotations

from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import ModelFinding, ModelInstalled, ModelList, ModelVerified
from docmill.errors import ModelMissing
from docmill.models import store, wordllama
from docmill.models.known import Quantization
from docmill.settings import Settings


def list_models(_settings: Settings, *, limit: int, offset: int) -> ModelList:
    cache = store.default_cache()
    entries = [*store.list_models(cache), wordllama.entry()]
    return ModelList(
        cache=str(cache), models=entries[offset : offset + limit], total=len(entries), limit=limit, offset=offset
    )


def install(_settings: Settings, reporter: Reporter, name: str, quantization: Quantization = "fp32") -> ModelInstalled:
    """Put a model into the cache; one that is there and whole stays. Raises ModelMissing where it cannot be had."""
    if name == wordllama.NAME:
        if quantization != "fp32":
            raise ModelMissing(f"{name} has no {quantization} form", hint="leave --quantization out")
        return _packaged()
    cache = store.default_cache()
    shown = name if quantization == "fp32" else f"{name} as {quantization}"
    already = store.find(name, cache, quantization) is not None and not store.verify(name, cache, quantization)
    if not already:
        reporter.emit(MessageEvent("info", f"installing {shown} into {cache}"))
    model = store.ensure(name, cache, quantization, reinstall=not already)
    return ModelInstalled(
        name=name,
        path=str(model.folder),
        fingerprint=model.info.fingerprint,
        size_bytes=model.size_bytes,
        already_installed=already,
        message=f"{shown} {'was installed already' if already else 'is installed'}",
    )


def verify(_settings: Settings, name: str | None) -> ModelVerified:
    """Hash the files of one installed model, or of all."""
    cache = store.default_cache()
    entries = [*store.list_models(cache), wordllama.entry()]
    names = [name] if name else [entry.name for entry in entries if entry.installed]
    findings = []
    for each in names:
        findings += wordllama.findings() if each == wordllama.NAME else _findings(each, cache)
    reason = f"{len(findings)} damaged or missing files" if findings else None
    return ModelVerified(checked=names, findings=findings, clean=not findings, reason=reason)


def _findings(name: str, cache: Path) -> list[ModelFinding]:
    """Of a model, and of its other forms that are installed."""
    forms = [each for each in store.QUANTIZATIONS if each == "fp32" or store.find(name, cache, each)]
    return [finding for form in forms for finding in store.verify(name, cache, form)]


def _packaged() -> ModelInstalled:
    """The model whose files stay in its package. Raises ModelMissing, whose hint says how to get that, or mend it."""
    place = wordllama.folder()
    if place is None:
        raise wordllama.missing()
    for name in wordllama.DIGESTS:
        wordllama.checked(name)
    return ModelInstalled(
        name=wordllama.NAME,
        path=str(place),
        fingerprint=wordllama.info().fingerprint,
        size_bytes=wordllama.size_bytes(place),
        already_installed=True,
        message=f"{wordllama.NAME} is installed, with its package",
    )
