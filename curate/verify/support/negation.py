def negation_differs(question: str, answer: str | None, evidence: str | None) -> bool | None:
    return None
