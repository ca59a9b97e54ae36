"""The nouns of Laconic: columns, problems, traces, verdicts, release formats. Imports nothing else of the project."""
