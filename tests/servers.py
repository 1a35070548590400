"""Starts the servers that the tests need, before pytest-django reads the settings (placeholder of the frame)."""
