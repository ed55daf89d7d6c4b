"""One file a way of adding metadata to a parsed document."""
