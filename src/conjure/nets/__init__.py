"""Neural parts that know no kind of data."""
