"""Embedding models: which there are, getting one, and checking what is installed."""

from __future__ import annotations

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import ModelInstalled, ModelList, ModelVerified
from docmill.models import store
from docmill.settings import Settings


def list_models(_settings: Settings, *, limit: int, offset: int) -> ModelList:
    cache = store.default_cache()
    entries = store.list_models(cache)
    return ModelList(
        cache=str(cache), models=entries[offset : offset + limit], total=len(entries), limit=limit, offset=offset
    )


def install(_settings: Settings, reporter: Reporter, name: str) -> ModelInstalled:
    """Put a model into the cache; one that is there and whole stays. Raises ModelMissing where it cannot be had."""
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
    names = [name] if name else [entry.name for entry in store.list_models(cache) if entry.installed]
    findings = [finding for each in names for finding in store.verify(each, cache)]
    reason = f"{len(findings)} damaged or missing files" if findings else None
    return ModelVerified(checked=names, findings=findings, clean=not findings, reason=reason)
