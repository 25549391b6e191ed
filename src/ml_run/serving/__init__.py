"""`ml-run serve`: the deployed model behind HTTP, and a page to try it.

The only room that imports fastapi and uvicorn.
"""

from ml_run.serving.server import Started, serve
from ml_run.serving.settings import Settings, token_of_environment

__all__ = ["Settings", "Started", "serve", "token_of_environment"]
