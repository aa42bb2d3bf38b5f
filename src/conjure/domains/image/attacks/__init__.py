"""Presentation attacks simulated: what a camera sees of a print, a screen, a paper mask or a cut-out of a picture."""
