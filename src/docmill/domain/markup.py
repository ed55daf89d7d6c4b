"""Takes Markdown's inline marks off a text, so that it reads well: emphasis, links, images, code ticks, entities.

Pure. Every pattern is linear or bounded in what it looks through: lines come from strangers.
"""

from __future__ import annotations

import html
import re

_MARKS = re.compile(r"[*_`~\[\]<>&\\]")
_CODE_SPAN = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]{1,2000}|[^\n]{1,2000}?)\1(?!`)")
_IMAGE = re.compile(r"!\[([^\[\]]{0,1000})\]\((?:[^()\n]|\([^()\n]{0,500}\)){0,2000}\)")
_LINK = re.compile(r"\[([^\[\]]{1,1000})\]\((?:[^()\n]|\([^()\n]{0,500}\)){0,2000}\)")
_REFERENCE = re.compile(r"!?\[([^\[\]]{1,1000})\]\[[^\[\]\n]{0,200}\]")
_AUTOLINK = re.compile(r"<((?:https?|ftp|mailto):[^<>\s]{1,2000})>")
# Named, because "<path>" and "<T>" in a text are no tags.
_TAG_NAMES = (
    "a|abbr|b|big|blockquote|br|caption|center|cite|code|col|colgroup|dd|del|details|dfn|div|dl|dt|em|figcaption|"
    "figure|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|picture|pre|q|s|samp|section|small|source|span|strike|strong|"
    "sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var|video"
)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES})(?:\s[^<>]{{0,1000}})?/?>", re.I)
_BREAK_TAG = re.compile(r"<br\s{0,5}/?>", re.I)
_EMPHASIS = (
    re.compile(r"\*\*\*(?=[^\s*])(.{1,1000}?)(?<=[^\s*])\*\*\*"),
    re.compile(r"\*\*(?=[^\s*])(.{1,1000}?)(?<=\S)\*\*"),
    re.compile(r"(?<!\w)__(?=[^\s_])(.{1,1000}?)(?<=[^\s_])__(?!\w)"),
    re.compile(r"~~(?=\S)(.{1,1000}?)(?<=\S)~~"),
    re.compile(r"(?<![\w*])\*(?=[^\s*])(.{1,1000}?)(?<=[^\s*])\*(?![\w*])"),
    re.compile(r"(?<![\w_])_(?=[^\s_])(.{1,1000}?)(?<=[^\s_])_(?![\w_])"),
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_HELD = re.compile("\x00(\\d+)\x00")


def plain(text: str) -> str:
    """``text`` as a reader sees it; what stands in code spans is untouched but for the ticks."""
    if not _MARKS.search(text):
        return text
    held: list[str] = []

    def hold(kept: str) -> str:
        held.append(kept)
        return f"\0{len(held) - 1}\0"

    text = text.replace("\0", "")
    text = _CODE_SPAN.sub(lambda match: hold(match.group(2).strip()), text)
    text = _ESCAPE.sub(lambda match: hold(match.group(1)), text)
    text = _AUTOLINK.sub(lambda match: hold(match.group(1)), text)
    for pattern in (_IMAGE, _LINK, _REFERENCE):
        text = pattern.sub(r"\1", text)
    text = _TAG.sub("", _BREAK_TAG.sub(" ", text))
    for pattern in _EMPHASIS:
        text = pattern.sub(r"\1", text)
    text = html.unescape(text)
    return _HELD.sub(lambda match: held[int(match.group(1))], text)
