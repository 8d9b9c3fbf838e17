"""What the project writes is well-formed, whatever text is in it."""
