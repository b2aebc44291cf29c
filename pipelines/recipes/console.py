"""Progress of a recipe, whose parts are builds, trainings and measurements."""

from __future__ import annotations

from pipelines.console import BuildConsole


class RecipeConsole(BuildConsole):
    """Hears of a build's stages, and of the steps between them."""

    def step(self, name: str, done: int, total: int | None) -> None:
        """Show one step's progress; a new name begins a new step."""
        if name != self._stage:
            self.step_started(name)
        self.progress(done, total)
