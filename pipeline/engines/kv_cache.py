"""A key-value cache for decoding that grows by doubling instead of being copied at every token.

transformers' own `DynamicLayer` concatenates the whole cache once per token and layer; here `keys` and `values` are
views into buffers that are copied only when they are full, or when finished rows are dropped.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

FIRST_CAPACITY = 256  # tokens


class GrowingLayer(DynamicLayer):
    """One layer, shapes `[batch, heads, tokens, head_dim]`."""

    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        new = old + key_states.shape[-2]
        if self._buffers is None or new > self._buffers[0].shape[-2]:
            self._buffers = (_grown(self.keys, key_states, new), _grown(self.values, value_states, new))
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, old:new] = states
        self.keys, self.values = (buffer[:, :, :new] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        super().batch_select_indices(indices)
        self._buffers = None


def _grown(old: torch.Tensor | None, like: torch.Tensor, n_tokens: int) -> torch.Tensor:
    buffer = like.new_empty(*like.shape[:2], max(FIRST_CAPACITY, 2 * n_tokens), like.shape[-1])
    if old is not None and old.numel():
        buffer[:, :, : old.shape[-2]] = old
    return buffer


def new_cache(config: Any) -> Cache:
    """An empty cache for a model with this config; layers of other kinds (sliding window) keep their own class."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
