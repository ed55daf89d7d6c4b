"""The charts of a report, each with the sentence that it shows and the table of its figures."""

from __future__ import annotations

from collections.abc import Sequence

from docmill.domain.durations import human_duration
from docmill.domain.events import seconds_between
from docmill.domain.results.summarizing import ChunkLengths, SummaryResult, Throughput
from docmill.reports.charts import Bar, Part, Words, bars, columns, number, round_ticks, swatch
from docmill.reports.markup import Column, table, told

OUTCOMES = ("completed", "degraded", "failed", "pending")
MOST_TYPES = 12
MOST_TIMES = 5  # labels of a time axis, but for the first
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400)
Labels = list[tuple[float, str]]


def charts(summary: SummaryResult) -> str:
    """All those that there are figures for, as figures of one grid."""
    drawn = [
        _documents(summary),
        _stages(summary),
        *(_speed(summary.throughput) if summary.throughput is not None else []),
        _lengths(summary.insights.chunk_lengths),
    ]
    return f'<div class="charts">{"".join(each for each in drawn if each)}</div>'


def _figure(words: Words, image: str, figures: str, legend: str = "") -> str:
    return (
        f"<figure><figcaption><h3>{told(words.title)}</h3><p>{told(words.description)}</p></figcaption>{legend}{image}"
        f"<details><summary>{told(words.title)}: the figures</summary>{figures}</details></figure>"
    )


# ---- documents by type and outcome -----------------------------------------------------------------------------------


def _documents(summary: SummaryResult) -> str:
    types = summary.insights.outcomes_by_type
    if not types:
        return ""
    most = max(each.total for each in types)
    shown = [outcome for outcome in OUTCOMES if any(getattr(each, outcome) for each in types)]
    rows = [
        Bar(
            each.type,
            f"{each.total:,}",
            [
                Part(outcome, n / most, f"{each.type}: {n:,} {outcome}")
                for outcome in OUTCOMES
                if (n := getattr(each, outcome))
            ],
        )
        for each in types[:MOST_TYPES]
    ]
    left_out = len(types) - len(rows)
    rest = f" {left_out} rarer types are in the table alone." if left_out > 0 else ""
    total = sum(each.total for each in types)
    sentence = f"{total:,} documents of {len(types):,} types; the most are {types[0].type}, {types[0].total:,}.{rest}"
    words = Words("chart-types", "Documents by type and outcome", sentence)
    figures = table(
        "Documents of each type, by outcome",
        [Column("Type"), *(Column(each.capitalize(), numeric=True) for each in OUTCOMES), Column("All", numeric=True)],
        [[each.type, *(f"{getattr(each, outcome):,}" for outcome in OUTCOMES), f"{each.total:,}"] for each in types],
    )
    legend = "".join(f"<li>{swatch(outcome)}{outcome}</li>" for outcome in shown)
    return _figure(words, bars(words, rows), figures, f'<ul class="legend">{legend}</ul>')


# ---- throughput over time --------------------------------------------------------------------------------------------


def _speed(throughput: Throughput) -> list[str]:
    """Two charts over the same time: what is read and what is embedded have scales of their own."""
    width = throughput.bin_seconds
    read = [each.documents_read for each in throughput.bins]
    embedded = [each.chunks_embedded for each in throughput.bins]
    made = []
    if any(read):
        made.append(
            _rate("read", "Documents read per second", "completed", read, width, ("document", "documents read"))
        )
    if any(embedded):
        title = "Passages ready per second"
        made.append(
            _rate("embedded", title, "second", embedded, width, ("passage", "passages embedded or from the cache"))
        )
    return made


def _rate(id_: str, title: str, kind: str, amounts: Sequence[int], width: float, noun: tuple[str, str]) -> str:
    rates = [each / width for each in amounts]
    span = width * len(amounts)
    one, many = noun
    sentence = (
        f"{sum(amounts):,} {many} in {human_duration(span)}: {sum(amounts) / span:,.1f} a second on average,"
        f" at most {max(rates):,.1f} within {_width(width)}."
    )
    words = Words(f"chart-{id_}", title, sentence)
    told_each = [
        f"from {human_duration(place * width)} on: {amount:,} {one}{'' if amount == 1 else 's'}, {rate:,.1f} a second"
        for place, (amount, rate) in enumerate(zip(amounts, rates, strict=True))
    ]
    figures = table(
        f"{many.capitalize()} in each {_width(width)}",
        [Column("From"), Column(f"{one.capitalize()}s", numeric=True), Column("A second", numeric=True)],
        [
            [human_duration(place * width), f"{amount:,}", f"{rate:,.1f}"]
            for place, (amount, rate) in enumerate(zip(amounts, rates, strict=True))
        ],
    )
    return _figure(words, columns(words, rates, kind, _time_labels(span), told_each), figures)


# ---- stages ----------------------------------------------------------------------------------------------------------


def _stages(summary: SummaryResult) -> str:
    """When each was at work, on the run's own time: they overlap, so that their times do not add up to its."""
    run = summary.run
    begun = [each for each in summary.stages if each.started_at is not None]
    if run is None or run.started_at is None or not begun:
        return ""
    ends = [each.completed_at or summary.generated_at for each in begun]
    span = max(*(seconds_between(run.started_at, end) for end in ends), 0.001)
    rows, figures = [], []
    for stage, end in zip(begun, ends, strict=True):
        assert stage.started_at is not None
        start = max(seconds_between(run.started_at, stage.started_at), 0.0)
        took = max(seconds_between(stage.started_at, end), 0.0)
        work = "" if stage.work_seconds is None else human_duration(stage.work_seconds)
        said = f"{human_duration(took)}{f', {work} of work' if work else ''}"
        rows.append(Bar(stage.name, said, [Part("completed", took / span, f"{stage.name}: {said}", start / span)]))
        figures.append([stage.name, human_duration(start), human_duration(took), work, f"{stage.files_processed:,}"])
    longest = max(rows, key=lambda row: row.parts[0].share)
    words = Words(
        "chart-stages",
        "Time per stage",
        f"From first to last document, side by side. Longest: {longest.name}, {longest.figure}. Work is what workers"
        " spent on single documents, added up.",
    )
    heads = [Column("Stage"), *(Column(each, numeric=True) for each in ("Began after", "Took", "Work", "Documents"))]
    return _figure(
        words,
        bars(words, rows, _time_labels(span)),
        table("When each stage was at work", heads, figures),
    )


# ---- lengths of passages ---------------------------------------------------------------------------------------------


def _lengths(lengths: ChunkLengths | None) -> str:
    if lengths is None:
        return ""
    counts = [each.count for each in lengths.bins]
    last = lengths.bins[-1].to_tokens
    sentence = (
        f"{lengths.count:,} passages of {lengths.mean:,.0f} tokens on average; half of them have {lengths.p50:,} or"
        f" less, nine in ten from {lengths.p5:,} to {lengths.p95:,}."
    )
    words = Words("chart-lengths", "Lengths of passages, in tokens", sentence)
    said = [f"{each.from_tokens:,} to {each.to_tokens - 1:,} tokens: {each.count:,} passages" for each in lengths.bins]
    labels = [(tick / last, number(tick)) for tick in round_ticks(last) if tick <= last]
    figures = table(
        "Passages by their length in tokens",
        [Column("Tokens"), Column("Passages", numeric=True)],
        [[f"{each.from_tokens:,} to {each.to_tokens - 1:,}", f"{each.count:,}"] for each in lengths.bins],
    )
    return _figure(words, columns(words, counts, "second", labels, said), figures)


def _time_labels(span: float) -> Labels:
    """At round times, of which the last but rarely is the end."""
    step = next((each for each in _TIME_STEPS if span / each <= MOST_TIMES), span / MOST_TIMES)
    return [(place * step / span, _round_time(place * step)) for place in range(int(span / step) + 1)]


def _round_time(seconds: float) -> str:
    """``0``, ``30 s``, ``2 min``, ``4 h``; none of them needs more."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return human_duration(seconds) if seconds >= 60 else f"{seconds:g} s" if seconds else "0"


def _width(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else _round_time(seconds)
