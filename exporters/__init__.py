"""Broker in, numbers out: event streams, probes, and the HTTP endpoints."""
