"""What every service process consists of, wired once: parts, life cycle, readiness, HTTP."""
