"""Weights that others published, as artifacts of ours: Hugging Face folders, GGUF files, what a package carries."""
