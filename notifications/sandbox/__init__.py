"""Stands in for Twilio's HTTP API in the embedded default, with phones in the browser. Never part of production."""
