"""Decides: targets, events, ledger, verdicts. Pure: no I/O, no clock, no logging."""
