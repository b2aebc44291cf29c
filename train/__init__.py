"""Dataset folder in, model folder and metrics out. Never imports curate, pipelines or duckdb."""
