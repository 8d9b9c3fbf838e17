"""What every service needs around its domain: clocks, calendar, settings, logs, metrics, HTTP.

No import of these modules connects to anything, opens a file or reads the environment.
"""
