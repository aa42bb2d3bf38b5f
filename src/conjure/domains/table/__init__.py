"""Tables: typed columns, codes for models, declared rules."""
