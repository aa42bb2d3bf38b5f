"""Text: documents to streams of tokens and back."""
