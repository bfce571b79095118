"""Whether a model or a cost of one's own keeps the contract, in a sentence for each breach."""
