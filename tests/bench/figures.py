# SPDX-License-Identifier: Apache-2.0
"""Medians, quartiles and differences; None where something was not measured."""

import statistics

RESOLUTION = 1.0  # ns of program time: a lower cost is taken for this as divisor


def middle(values):
    return statistics.median(values) if values else None


def quartiles(values):
    if len(values) < 2:
        return [round(v, 1) for v in values * 2]
    q = statistics.quantiles(values, n=4, method="inclusive")
    return [round(q[0], 1), round(q[2], 1)]


def less(a, b):
    return None if a is None or b is None else a - b


def over(a, b):
    """a / b as a ratio of costs; None when what divides is lost in the noise."""
    return None if a is None or b is None or b <= 0 else a / b


def at_least(a, b):
    """The same where b is known well: it is at most the resolution."""
    return a / max(b, RESOLUTION)


def paired(a, b):
    """The differences of the rounds that both have."""
    return [x - y for x, y in zip(a, b)]


def rounded(value):
    return round(value, 2) if isinstance(value, float) else value


def number(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def span(row, key):
    """A figure of a row and, in brackets, its quartiles."""
    low, high = row.get("spread", {}).get(key, (None, None))
    return f"{number(row.get(key))} ({number(low)} to {number(high)})"
