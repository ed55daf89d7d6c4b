"""Reads what has pages: PDFs with two engines, and images and pages without text by OCR."""
