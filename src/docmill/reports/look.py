"""How a report looks: two palettes and one style sheet.

Colours are said here and nowhere else, so that tests can compute what they promise: 4.5:1 for text and 3:1 for marks on
every ground that they lie on (WCAG 2.2, 1.4.3 and 1.4.11).
"""

from __future__ import annotations

from collections.abc import Mapping

# ``ground`` and ``surface`` lie behind; ``line`` only parts things, and means nothing.
LIGHT = {
    "ground": "#ffffff",
    "surface": "#f5f6f8",
    "line": "#d3d8df",
    "ink": "#1b2027",
    "muted": "#545d68",
    "completed": "#1a6fb0",
    "degraded": "#a85200",
    "failed": "#bf2630",
    "pending": "#6b7480",
    "second": "#0f766e",
}
DARK = {
    "ground": "#12161b",
    "surface": "#1b2129",
    "line": "#38424e",
    "ink": "#e7ebf0",
    "muted": "#a7b0bb",
    "completed": "#5fb0ea",
    "degraded": "#e5a150",
    "failed": "#ff8f86",
    "pending": "#929da9",
    "second": "#4fc3b5",
}
GROUNDS = ("ground", "surface")
TEXTS = ("ink", "muted", "completed", "degraded", "failed")  # the outcomes colour words too
MARKS = ("completed", "degraded", "failed", "pending", "second")


def style() -> str:
    """The whole style sheet."""
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}{_RULES}"
        f"@media print{{:root{{color-scheme:light;{_variables(LIGHT)}}}{_PRINT}}}"
    )


def _variables(palette: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
header,main,footer,nav{max-width:70rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .35rem;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.2rem;line-height:1.3;margin:0 0 .9rem;font-weight:650}
h3{font-size:1rem;margin:0 0 .15rem;font-weight:600}
p{margin:0 0 .75rem}
section{margin:2.75rem 0 0}
.kind{margin:0 0 .35rem;color:var(--muted);font-size:.875rem}
.lead{color:var(--muted);margin:0}
.status{font-weight:600}
.completed{color:var(--completed)}.degraded{color:var(--degraded)}.failed{color:var(--failed)}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:1.25rem 0 0;padding:0;font-size:.9rem}
a{color:var(--completed)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--completed);outline-offset:2px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1.75rem 1.5rem;margin:0}
.figures div{border-top:2px solid var(--line);padding-top:.5rem}
.figures dt{color:var(--muted);font-size:.875rem}
.figures dd{margin:0}
.figures .number{white-space:nowrap;font-size:1.75rem;line-height:1.25;font-weight:600;letter-spacing:-.01em}
.figures .more{color:var(--muted);font-size:.875rem}
.advice{margin:0;padding:0;list-style:none;display:grid;gap:.75rem}
.advice li{background:var(--surface);border-left:4px solid var(--degraded);padding:.75rem 1rem}
.advice p{margin:0}
.advice .action{color:var(--muted);font-size:.925rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:2.5rem 3rem}
figure{margin:0;min-width:0}
figcaption p{color:var(--muted);font-size:.875rem;margin:0 0 .6rem}
svg{display:block;width:100%;overflow:visible;font-size:12px}
svg text{fill:var(--muted)}
svg .name{fill:var(--ink);font-size:13px}
.grid{stroke:var(--line);stroke-width:1}
.track{fill:var(--surface)}
rect.completed{fill:var(--completed)}rect.degraded{fill:var(--degraded)}rect.failed{fill:var(--failed)}
rect.pending{fill:var(--pending)}rect.second{fill:var(--second)}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;list-style:none;margin:0 0 .5rem;padding:0;font-size:.8125rem;
color:var(--muted)}
.legend svg{display:inline-block;width:.75rem;height:.75rem;margin-right:.4rem;vertical-align:-.06rem}
details{margin-top:.6rem;font-size:.875rem}
summary{cursor:pointer;color:var(--muted)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;color:var(--muted);font-size:.875rem;padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.4rem 1rem .4rem 0;border-bottom:1px solid var(--line);font-weight:400}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--muted);font-size:.8125rem;vertical-align:bottom}
.n{text-align:right}
.n,.short{white-space:nowrap;overflow-wrap:normal}
.tables tbody th{min-width:9rem}
.groups{table-layout:fixed}.groups thead th:first-child{width:40%}
tr.code th{padding-top:1.2rem;border-bottom:2px solid var(--line)}
tr.code strong{font-weight:650}
.hint{display:block;color:var(--muted);font-size:.875rem}
.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:2.5rem 3rem}
.tables section{margin:0;min-width:0}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:nowrap;overflow-wrap:normal}
.settings{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.5rem;margin:0;font-size:.9rem}
.settings dt{color:var(--muted)}.settings dd{margin:0;min-width:0}
footer{color:var(--muted);font-size:.8125rem;margin-top:3rem;padding-top:1rem;padding-bottom:2.5rem}
@media (max-width:34rem){
body{font-size:15px}header{padding-top:1.5rem}h1{font-size:1.5rem}
.figures{grid-template-columns:1fr 1fr;gap:1.1rem 1rem}.figures .number{font-size:1.45rem}
th,td{padding-right:.6rem}.wide{display:none}.tables tbody th{min-width:7.5rem}
.settings{grid-template-columns:1fr}.settings dd{margin-bottom:.5rem}}
"""
_PRINT = """
@page{margin:15mm}
body{font-size:10pt}nav,details{display:none}
header,main,footer{max-width:none;padding-left:0;padding-right:0}header{padding-top:0}
section{margin-top:1.6rem}h2{break-after:avoid}
figure,.figures div,.advice li,tr{break-inside:avoid}
thead{display:table-header-group}.scroll{overflow:visible}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""
