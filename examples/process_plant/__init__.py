"""A process plant in the place of an arm: a stirred tank reactor, learned from its log; see docs/process_plant.md."""
