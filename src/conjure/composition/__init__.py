"""Models of a model's codes: a second artifact fitted through a first one."""
