"""Conversations and documents as tokens of a tokenizer that others made: what assistants learn from and talk in."""
