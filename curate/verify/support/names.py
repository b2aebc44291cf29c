def unsupported_names(said: str, passage: str) -> list[str]:
    return []
