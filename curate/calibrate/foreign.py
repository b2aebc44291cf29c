"""The fault of language: a question in a language that its passage is not written in, about the question's own key words."""

from __future__ import annotations

from typing import Any

from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, Row
from curate.calibrate.telling import telling_words

Change = dict[str, Any]

TEMPLATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "de": (
        ("Wofür wird {a} verwendet und wie funktioniert es genau?", "Was bedeutet {a} und warum braucht man das überhaupt?", "Wie kann ich {a} in meinem Projekt richtig einsetzen?"),
        ("Was ist der Unterschied zwischen {a} und {b}?", "Wie kann man {a} zusammen mit {b} verwenden?", "Warum sollte man {a} nicht ohne {b} benutzen?"),
    ),
    "fr": (
        ("À quoi sert {a} et comment est-ce que cela fonctionne ?", "Comment puis-je utiliser {a} correctement dans mon projet ?", "Pourquoi est-il nécessaire de connaître {a} ?"),
        ("Quelle est la différence entre {a} et {b} ?", "Comment peut-on utiliser {a} avec {b} dans la même application ?", "Pourquoi faut-il choisir {a} plutôt que {b} ?"),
    ),
    "es": (
        ("¿Para qué sirve {a} y cómo funciona exactamente?", "¿Cómo puedo usar {a} correctamente en mi proyecto?", "¿Por qué es necesario conocer {a}?"),
        ("¿Cuál es la diferencia entre {a} y {b}?", "¿Cómo se puede usar {a} junto con {b}?", "¿Por qué conviene elegir {a} en lugar de {b}?"),
    ),
    "it": (
        ("A che cosa serve {a} e come funziona esattamente?", "Come posso usare {a} correttamente nel mio progetto?", "Perché è necessario conoscere {a}?"),
        ("Qual è la differenza tra {a} e {b}?", "Come si può usare {a} insieme a {b} nella stessa applicazione?", "Perché conviene scegliere {a} invece di {b}?"),
    ),
    "nl": (
        ("Waarvoor wordt {a} gebruikt en hoe werkt het precies?", "Hoe kan ik {a} op de juiste manier in mijn project gebruiken?", "Waarom is het nodig om {a} te kennen?"),
        ("Wat is het verschil tussen {a} en {b}?", "Hoe kun je {a} samen met {b} gebruiken?", "Waarom zou je {a} kiezen in plaats van {b}?"),
    ),
    "ru": (
        ("Для чего используется {a} и как это работает?", "Как правильно использовать {a} в моём проекте?", "Почему важно знать, что такое {a}?"),
        ("В чём разница между {a} и {b}?", "Как можно использовать {a} вместе с {b}?", "Почему стоит выбрать {a}, а не {b}?"),
    ),
    "zh": (
        ("{a}有什么用途，它是怎么工作的？", "我应该如何在项目中正确使用{a}？", "为什么需要了解{a}？"),
        ("{a}和{b}之间有什么区别？", "怎样把{a}和{b}一起使用？", "为什么应该选择{a}而不是{b}？"),
    ),
    "en": (
        ("What is {a} used for and how does it work exactly?", "How can I use {a} properly in my own project?", "Why is it necessary to know about {a}?"),
        ("What is the difference between {a} and {b}?", "How can {a} be used together with {b} in the same project?", "Why should one choose {a} instead of {b}?"),
    ),
}  # fmt: skip
"""Language → questions about one thing and about two."""


def off_language(row: Row, material: Material, chance: Chance) -> Change | None:
    """A question in another language about the key words of this one."""
    if row["language"] == "und" or row["style"] in ("terms", "heading"):
        return None
    languages = sorted(language for language in TEMPLATES if language != row["language"])
    if row["language"] in ("zh", "ja"):
        languages = [language for language in languages if language != "zh"]
    telling = telling_words(row["question"], material, 2)
    if not telling:
        return None
    alone, together = TEMPLATES[chance.one("language", languages)]
    if len(telling) == 1 or chance.number("form", 2):
        return {"question": chance.one("template", alone).format(a=" ".join(telling))}
    return {"question": chance.one("template", together).format(a=telling[0], b=telling[1])}
