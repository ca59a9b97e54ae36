"""The interval of a share of few trials, as stages and evaluations state it.

share, trials ── wilson_interval ──> low, high
"""

from math import sqrt

Z_95 = 1.959963984540054


def wilson_interval(share: float, n_trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927); unlike the normal one it is right at 0 and 1."""
    z2 = Z_95**2
    centre = share + z2 / (2 * n_trials)
    half_width = Z_95 * sqrt(share * (1 - share) / n_trials + z2 / (4 * n_trials**2))
    scale = 1 + z2 / n_trials
    return max(0.0, (centre - half_width) / scale), min(1.0, (centre + half_width) / scale)
