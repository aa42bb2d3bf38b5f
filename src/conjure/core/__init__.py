"""The words every other part shares; nothing here imports anything else of ours."""
