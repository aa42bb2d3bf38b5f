"""What better means: one equation of the field a file."""
