"""When things happen: Prefect runs, the guard's sweeps, and what people click."""
