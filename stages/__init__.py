"""One method, one file: a module here holds one stage (see `pipeline.stage`), or what several of them share."""
