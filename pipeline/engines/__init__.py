"""LLM backends behind one interface (`engine.py`): vllm, openai, transformers, scripted."""
