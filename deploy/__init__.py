"""How Peygir is run: manifests, and the local runner."""
