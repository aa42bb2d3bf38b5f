"""Attacks on made rows: what somebody who holds them can find out about the people in the training data.

Each attack is run on training rows and, in the same way, on control rows of the same source that the model never
saw. What works on both is knowledge about the population; what works better on training rows is a leak.
"""
