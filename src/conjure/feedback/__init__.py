"""What people think of generated things: how far they agree, and what a model can learn from it."""
