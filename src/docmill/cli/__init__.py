"""The command line: one file a command group; results are rendered in one place."""
