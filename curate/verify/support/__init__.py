"""Is what question and answer say held by the passage: its numbers, its names, its denials, the words of its answer?

Tables and rules, no model: the cost is well under a millisecond a question (what is read from a passage is kept for its other
questions). English number words, negations and name rules; in other languages only what is written in digits, signs and identifiers is
compared, and a gate that cannot tell says nothing against a question.
"""

from curate.verify.support.answers import answer_overlap, answered_under_heading
from curate.verify.support.names import unsupported_names
from curate.verify.support.negation import negation_differs
from curate.verify.support.numbers import unsupported_numbers

__all__ = ["answer_overlap", "answered_under_heading", "negation_differs", "unsupported_names", "unsupported_numbers"]
