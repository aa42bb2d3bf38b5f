"""How each benchmark's JSON is shown: a module a benchmark, of its name, with `lines(found)` in Markdown."""
