"""Follow-ups: one for each resolution of a deputy, until somebody else confirms that it is done."""
