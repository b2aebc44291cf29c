"""Published recipes, one module each: `run(order)` gives what the source got beside what this run got."""
