"""Measures the gates on the user's own corpus: faults planted into real rows, what is caught of them, what is killed beside them."""
