"""Work on deputies: what has to be done where two are merged, or one is dissolved."""
