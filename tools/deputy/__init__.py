"""Work on deputies: for merging two, or dissolving one."""
