"""What every request of a build has in common: prompts, kinds of questions, real queries to resemble, who asks."""

from __future__ import annotations

from dataclasses import dataclass

from curate.generate.examples import Examples, read_examples
from curate.generate.prompt import ACROSS_FILE, PROMPT_FILE, Prompt, load_prompt
from curate.generate.styles import uniform, weights_of
from schemas.settings import GenerateSettings, Settings, StyleWeights


@dataclass(frozen=True)
class Brief:
    """Read once a build."""

    prompt: Prompt
    across: Prompt
    mix: dict[str, float]
    """Weight of each kind of question, above 0."""
    across_share: float
    """Share of questions that shall need two chunks."""
    examples: Examples | None
    settings: GenerateSettings
    seed: int

    def persona(self, chunk_id: str) -> str:
        """Who asks about a chunk, or ""."""
        personas = self.settings.personas
        return min(personas, key=lambda one: uniform(self.seed, chunk_id, "persona", one), default="")

    def difficulty(self, chunk_id: str) -> str:
        """easy, hard or "" (as it comes) for a chunk."""
        if self.settings.difficulty != "mixed":
            return self.settings.difficulty
        return ("", "easy", "hard")[int(uniform(self.seed, chunk_id, "difficulty") * 3) % 3]

    def samples(self, chunk_id: str) -> list[str]:
        """Real queries to show beside a chunk."""
        shown = self.settings.examples_shown
        return self.examples.sampled(shown, self.seed, chunk_id) if self.examples is not None and shown else []


def brief_of(settings: Settings) -> Brief:
    """The brief that the settings describe. Raises SettingsError or InputError when a file they name cannot be used."""
    generate = settings.generate
    examples = read_examples(generate.examples) if generate.examples is not None else None
    weights = generate.weights or StyleWeights()
    mix = examples.mix if examples is not None and generate.weights is None else weights_of(weights)
    total = sum(weights_of(weights).values()) + weights.multi_chunk
    return Brief(
        prompt=load_prompt(PROMPT_FILE, generate.prompt),
        across=load_prompt(ACROSS_FILE, generate.prompt_across),
        mix=mix,
        across_share=weights.multi_chunk / total,
        examples=examples,
        settings=generate,
        seed=settings.seed,
    )
