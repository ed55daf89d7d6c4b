"""Embedding models: which there are, getting one, and checking what is installed."""

from __future__ import annotations

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import ModelInstalled, ModelList, ModelVerified
from docmill.models import store, wordllama
from docmill.settings import Settings


def list_models(_settings: Settings, *, limit: int, offset: int) -> ModelList:
    cache = store.default_cache()
    entries = [*store.list_models(cache), wordllama.entry()]
    return ModelList(
        cache=str(cache), models=entries[offset : offset + limit], total=len(entries), limit=limit, offset=offset
    )


def install(_settings: Settings, reporter: Reporter, name: str) -> ModelInstalled:
    """Put a model into the cache; one that is there and whole stays. Raises ModelMissing where it cannot be had."""
    if name == wordllama.NAME:
        return _packaged()
    cache = store.default_cache()
    already = store.find(name, cache) is not None and not store.verify(name, cache)
    if not already:
        reporter.emit(MessageEvent("info", f"installing {name} into {cache}"))
    model = store.ensure(name, cache, reinstall=not already)
    return ModelInstalled(
        name=name,
        path=str(model.folder),
        fingerprint=model.info.fingerprint,
        size_bytes=model.size_bytes,
        already_installed=already,
        message=f"{name} {'was installed already' if already else 'is installed'}",
    )


def verify(_settings: Settings, name: str | None) -> ModelVerified:
    """Hash the files of one installed model, or of all."""
    cache = store.default_cache()
    entries = [*store.list_models(cache), wordllama.entry()]
    names = [name] if name else [entry.name for entry in entries if entry.installed]
    findings = []
    for each in names:
        findings += wordllama.findings() if each == wordllama.NAME else store.verify(each, cache)
    reason = f"{len(findings)} damaged or missing files" if findings else None
    return ModelVerified(checked=names, findings=findings, clean=not findings, reason=reason)


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
