"""What people do, one function per command: load, decide, save."""
