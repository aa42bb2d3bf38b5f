"""Two unpaired sets of pictures: two styles, no picture of the one belonging to one of the other."""
