"""Log in at the identity provider, and the tokens that tools send to the services."""
