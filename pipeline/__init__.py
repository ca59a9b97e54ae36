"""The engine room: recipe, plan, store, cells, executors, engines. Knows no particular stage."""
