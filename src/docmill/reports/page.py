"""A report as one HTML page of its own: no script, no network, no other file. Made from a summary alone."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Sequence

from docmill import __version__
from docmill.domain.durations import human_duration
from docmill.domain.outcomes import failures, reason_hint, reason_meaning
from docmill.domain.results.shared import DegradedDocument, DocumentProblem
from docmill.domain.results.summarizing import DocumentFigure, SummaryResult
from docmill.domain.sizes import human_size
from docmill.reports.drawn import charts
from docmill.reports.look import style
from docmill.reports.markup import Column, Group, grouped_table, scrolling, section, table, told, told_words

Section = tuple[str, str, str]  # id, title, HTML


def page(summary: SummaryResult) -> str:
    """The whole document, as text."""
    sections = [each for each in _sections(summary) if each[2]]
    links = "".join(f'<li><a href="#{id_}">{told(title)}</a></li>' for id_, title, _ in sections)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            _head(summary),
            "<body>",
            f"<header>{_header(summary)}</header>",
            f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
            "<main>",
            *(section(*each) for each in sections),
            "</main>",
            f"<footer>Written by docmill {told(__version__)}, {_moment(summary.generated_at)}. Times are UTC.</footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _sections(summary: SummaryResult) -> list[Section]:
    return [
        ("figures", "Figures", _figures(summary)),
        ("recommendations", "Recommendations", _recommendations(summary)),
        ("charts", "Charts", charts(summary)),
        ("failures", "Documents that failed", _failures(summary)),
        ("degraded", "Documents that lost some of their text", _degraded(summary)),
        ("documents", "Largest and slowest documents", _documents(summary)),
        ("runs", "Runs", _runs(summary)),
        ("settings", "How it was made", _settings(summary)),
    ]


def _head(summary: SummaryResult) -> str:
    """Nothing may be loaded, and no style but this very one applies, whatever a name might smuggle in."""
    css = style()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        f'<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme"'
        ' content="light dark"><meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
        f"<title>{told(summary.name)} – docmill report</title><style>{css}</style></head>"
    )


def _header(summary: SummaryResult) -> str:
    run = summary.run
    parts = ['<p class="kind">docmill report</p>', f"<h1>{told(summary.name)}</h1>"]
    if summary.description:
        parts.append(f"<p>{told(summary.description)}</p>")
    if run is None:
        return "".join([*parts, '<p class="lead">This batch has not been started yet.</p>'])
    when = (
        f"{_moment(run.started_at)} to {_moment(run.completed_at)}"
        if run.completed_at
        else f"since {_moment(run.started_at)}"
    )
    why = f": {told(run.message)}" if run.message and run.status != "running" else ""
    kind = f"status {run.status}" if run.status in ("completed", "failed") else "status"
    parts.append(
        f'<p class="lead">Batch {summary.batch_id}, run group {run.run_group_id} · '
        f'<span class="{kind}">{told(run.status)}</span>{why} · {when} UTC</p>'
    )
    return "".join(parts)


# ---- the figures -----------------------------------------------------------------------------------------------------


def _figures(summary: SummaryResult) -> str:
    total, storage = summary.summary, summary.storage
    per_file = total.average_processing_time_per_file
    duplicates = summary.insights.duplicate_files
    reused = summary.run.chunks_reused if summary.run else 0
    shown = [
        ("Documents", f"{total.total_files:,}", _pending(total.pending_files, summary.insights.pages), ""),
        ("Processed", f"{total.successfully_processed:,}", _share(total.successfully_processed, total.total_files), ""),
        ("Failed", f"{total.failed_files:,}", _share(total.failed_files, total.total_files), "failed"),
        (
            "Degraded",
            f"{total.degraded_files:,}",
            "lost some of their text" if total.degraded_files else "",
            "degraded",
        ),
        ("Time", human_duration(total.total_processing_time), f"{per_file:,.2f} s a document" if per_file else "", ""),
        ("Passages", f"{total.total_chunks_created:,}", f"{reused:,} without embedding anew" if reused else "", ""),
        ("Storage", human_size(total.total_storage_used), f"for {human_size(storage.source_bytes)} of files", ""),
    ]
    if duplicates:
        shown.append(("Copies", f"{duplicates:,}", human_size(summary.insights.duplicate_bytes), ""))
    languages = summary.insights.languages_detected
    if languages:
        stated = ", ".join(f"{number:,} {code}" for code, number in list(languages.items())[:4])
        shown.append(("Languages", f"{len(languages):,}", f"stated: {stated}", ""))
    return f'<dl class="figures">{"".join(_figure(*each) for each in shown)}</dl>'


def _figure(name: str, number: str, more: str, kind: str) -> str:
    """``kind`` colours a number that is not 0."""
    coloured = f" {kind}" if kind and number != "0" else ""
    note = f'<dd class="more">{told(more)}</dd>' if more else ""
    return f'<div><dt>{told(name)}</dt><dd class="number{coloured}">{told(number)}</dd>{note}</div>'


def _pending(pending: int, pages: int) -> str:
    return f"{pending:,} still to do" if pending else f"{pages:,} pages" if pages else ""


def _share(number: int, total: int) -> str:
    """A share that is not all is never called all, nor none."""
    if not total or number in (0, total):
        return "all of them" if total and number == total else ""
    share = 100 * number / total
    return "over 99.9 %" if share > 99.9 else "under 0.1 %" if share < 0.1 else f"{share:.1f} %"


def _recommendations(summary: SummaryResult) -> str:
    items = [
        f'<li><p>{_sentence(each.message)}</p><p class="action">{_sentence(each.action)}</p></li>'
        for each in summary.recommendations
    ]
    return f'<ul class="advice">{"".join(items)}</ul>' if items else ""


def _sentence(text: str) -> str:
    """With a capital, unless it begins with what is typed as it stands."""
    typed = text.startswith(("docmill ", "--"))
    return told_words(text if typed else text[:1].upper() + text[1:]) + "."


# ---- what went wrong -------------------------------------------------------------------------------------------------


def _failures(summary: SummaryResult) -> str:
    by_code: dict[str, list[DocumentProblem]] = defaultdict(list)
    for each in summary.errors:
        by_code[each.error_code].append(each)
    known = failures()
    groups = []
    for code, problems in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0])):
        hints = list(dict.fromkeys(each.hint for each in problems if each.hint))
        meaning = known[code].meaning if code in known else ""
        what = f"{meaning} " if meaning else ""
        rows = [(each.uri, f"{each.stage}: {each.error_message}") for each in problems]
        groups.append(Group(code, _count(summary.outcomes.failed.get(code, len(problems))), what + _to_do(hints), rows))
    if not groups:
        return ""
    caption = _caption(len(summary.errors), summary.outcomes.failed_documents)
    return scrolling("Documents that failed", grouped_table(caption, ("Document", "What happened"), groups))


def _degraded(summary: SummaryResult) -> str:
    by_reason: dict[str, list[DegradedDocument]] = defaultdict(list)
    for each in summary.degraded:
        for reason in each.reasons:
            by_reason[reason].append(each)
    groups = []
    for reason, documents in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        meaning, hint = reason_meaning(reason) or "", reason_hint(reason)
        said = f"{meaning[:1].upper()}{meaning[1:]}. " if meaning else ""
        rows = [(each.uri, _yield(each)) for each in documents]
        number = summary.outcomes.degraded.get(reason, len(documents))
        groups.append(Group(reason, _count(number), said + _to_do([hint] if hint else []), rows))
    if not groups:
        return ""
    caption = _caption(len(summary.degraded), summary.outcomes.degraded_documents)
    return scrolling("Documents that are degraded", grouped_table(caption, ("Document", "What was read"), groups))


def _yield(document: DegradedDocument) -> str:
    found = document.text_yield
    if found is None:
        return ""
    without = f", {len(found.without_text):,} of them without text" if found.without_text else ""
    return f"{_several(found.pages, 'page')}{without}; {_several(found.characters, 'character')}"


def _to_do(hints: Sequence[str]) -> str:
    return f"What to do: {'; or '.join(hints)}." if hints else ""


def _count(number: int) -> str:
    return f"{_several(number, 'document')}."


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _caption(shown: int, total: int) -> str:
    return f"{_count(total)[:-1]}, by reason" + (f"; the first {shown:,} are shown" if shown < total else "")


# ---- documents, runs, settings ---------------------------------------------------------------------------------------


def _documents(summary: SummaryResult) -> str:
    if not summary.largest:
        return ""
    size = [
        [each.uri, each.type or "", _optional(each.pages), f"{each.chunk_count:,}", human_size(each.size_bytes)]
        for each in summary.largest
    ]
    names = Column("Document"), Column("Type", short=True, wide=True), Column("Pages", numeric=True, wide=True)
    largest = table(
        "The largest by size", [*names, Column("Passages", numeric=True), Column("Size", numeric=True)], size
    )
    slow = [
        [each.uri, each.type or "", _optional(each.pages), f"{each.chunk_count:,}", _read(each)]
        for each in summary.slowest
    ]
    slowest = table(
        "The slowest to read: validate, parse and chunk",
        [*names, Column("Passages", numeric=True), Column("Read in", numeric=True)],
        slow,
    )
    parts = [scrolling("Largest documents", largest), *([scrolling("Slowest documents", slowest)] if slow else [])]
    return f'<div class="tables">{"".join(parts)}</div>'


def _optional(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _read(document: DocumentFigure) -> str:
    return "" if document.seconds is None else f"{document.seconds:,.2f} s"


def _runs(summary: SummaryResult) -> str:
    if not summary.runs:
        return ""
    rows = [
        [
            f"{each.run_group_id}",
            each.status,
            _moment(each.started_at),
            human_duration(each.processing_time),
            f"{each.completed:,}",
            f"{each.failed:,}",
            f"{each.chunks_total:,}",
            f"{each.chunks_embedded:,}",
        ]
        for each in summary.runs
    ]
    heads = [
        Column("Run group"),
        Column("Status", short=True),
        Column("Started, UTC", short=True, wide=True),
        Column("Time", numeric=True),
    ]
    heads += [Column("Completed", numeric=True), Column("Failed", numeric=True)]
    heads += [Column("Passages", numeric=True, wide=True), Column("Embedded", numeric=True, wide=True)]
    return scrolling("Runs", table("The newest runs of this batch, newest first", heads, rows))


def _settings(summary: SummaryResult) -> str:
    run = summary.run
    if run is None:
        return ""
    storage = summary.storage
    kept = f"{human_size(storage.artifacts_bytes)} of outputs, {human_size(storage.database_bytes)} of the database"
    named = [
        ("Source", summary.source),
        ("Workflow", run.workflow),
        ("Param set", run.params),
        ("Model", run.model),
        ("Database", run.database),
        ("Storage", kept),
    ]
    return f'<dl class="settings">{"".join(f"<dt>{told(n)}</dt><dd>{told(v)}</dd>" for n, v in named if v)}</dl>'


def _moment(text: str | None) -> str:
    return told((text or "")[:19].replace("T", " "))
