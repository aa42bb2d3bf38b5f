"""Linked tables: keys, rows given their parent and the row before, several tables as one object."""
