"""Answers to prompts, as people judge them: what a reward model reads."""
