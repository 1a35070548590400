"""Addresses of this room (placeholder of the frame until the webhooks stand)."""

urlpatterns: list[object] = []
