"""What every service needs around its domain: clocks, calendar, settings, logs, metrics, HTTP.

Nothing in here is connected, opened or read from the environment by an import.
"""
