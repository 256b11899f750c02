"""The web door: the API and the dashboard."""

from trendloom.web.app import create_app

__all__ = ["create_app"]
