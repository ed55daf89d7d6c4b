"""One file a way of cutting a ParsedDocument into passages."""
