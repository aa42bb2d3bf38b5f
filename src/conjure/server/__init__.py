"""Artifacts over HTTP. pydantic and FastAPI live here and nowhere below; nothing here learns or draws by itself."""
