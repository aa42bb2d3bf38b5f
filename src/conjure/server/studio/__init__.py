"""The studio: pages in the browser for whoever does not program, mounted in the same process; one page a verb."""
