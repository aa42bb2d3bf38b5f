"""Images: pictures to arrays or tokens and back."""
