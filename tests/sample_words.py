"""What every sample says, whatever its format: parity tests compare against it."""

from __future__ import annotations

TITLE = "Care of the Walnut Desk"
PARAGRAPH = "The walnut desk is oiled twice a year, in spring and in autumn, with a soft cloth."
SECTION = "Cleaning"
ITEMS = ("Dust it first", "Use warm water", "Dry it at once")
HEADER = ("Season", "Oil", "Hours")
ROWS = (("Spring", "Linseed", "12"), ("Autumn", "Tung", "24"))
