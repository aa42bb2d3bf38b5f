"""Products: one file or small folder each."""
