"""Sounds: recordings to waves of one length and back."""
