"""The composition root: the flow, the runner, the ledger, the console and the command line."""
