"""The report as a page: its words, its charts and its look. Made from a summary alone; reads and writes nothing."""
