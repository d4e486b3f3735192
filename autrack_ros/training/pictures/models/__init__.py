"""Views of still models."""
