"""One file a format family. Each reads one kind of file into a ParsedDocument; none writes anything."""
