"""The routes that clients of OpenAI's API know, over artifacts that write text."""
