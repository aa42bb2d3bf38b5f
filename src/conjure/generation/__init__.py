"""Text written for many at once: requests, the thread that serves them together, grammars, whole characters."""

from conjure.generation.grammar import Grammar
from conjure.generation.request import Answer, Likely, Piece, Request
from conjure.generation.writer import Stream, Writer

__all__ = ["Answer", "Grammar", "Likely", "Piece", "Request", "Stream", "Writer"]
