"""The included trainer: shards in, a concise reasoner out; on TRL, accelerate and PEFT, holding only what is ours."""
