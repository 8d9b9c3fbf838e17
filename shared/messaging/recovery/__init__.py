"""After a restored copy: a database applies again what its own topics still hold."""
