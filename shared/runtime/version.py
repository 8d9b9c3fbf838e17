"""The version of Peygir, in one place."""

VERSION = "0.1.0"
