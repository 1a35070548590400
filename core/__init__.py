"""Mechanisms that every room needs, and not one library word."""
