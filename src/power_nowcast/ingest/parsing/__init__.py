"""Parsing: from the bytes of a file to a table of texts, numbers and times."""
