"""Kinds of data: one folder each, between people's objects and tensors."""
