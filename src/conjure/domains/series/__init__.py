"""Time series: numbers of one or more channels at a regular step, with gaps."""
