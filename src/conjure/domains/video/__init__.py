"""Videos: short clips to arrays of frames and back."""
