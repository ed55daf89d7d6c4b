"""Requests to the web that cannot be led astray: which addresses may be asked, and how much time and bytes they get.

``rules`` says what an address may look like and where it may lead, ``client`` asks, ``pinned`` is the connection that
goes to the checked address and nowhere else. Nothing else in docmill opens a connection to what a user names.
"""

from docmill.web.client import Answer, Web
from docmill.web.rules import Refused, Unreachable, Url, WebError, is_public, parse

__all__ = ["Answer", "Refused", "Unreachable", "Url", "Web", "WebError", "is_public", "parse"]
