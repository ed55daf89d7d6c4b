"""Pure data and rules. Nothing here opens a file, a database or a process."""
