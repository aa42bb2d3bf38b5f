"""Pairs of texts: a source and its target, such as a sentence and its translation."""
