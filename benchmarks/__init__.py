"""Every figure that the README claims, each from one command: `python -m benchmarks.<name>`."""
