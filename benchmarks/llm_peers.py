"""The generation loops of other libraries, for `llm_throughput.py`: runs in an interpreter that has them, and imports nothing of ours.

    python benchmarks/llm_peers.py NAME URL CALLS

NAME: distilabel (its task TextGeneration, batches of 64 calls at a time, in this process: its pipeline adds processes and queues),
or llama_index (`generate_qa_embedding_pairs`, one call at a time). The last line is JSON: the rate after a warm-up of 64 calls.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

WARM_UP = 64
AT_ONCE = 64
PASSAGE = "The lower end of the kiln is kept at 1450 degrees, where limestone and clay sinter to clinker. "


def prompt(number: int) -> str:
    """About 600 tokens, like the prompt of a real chunk."""
    return f"Write three search questions that this passage answers.\n\nPassage {number}: {PASSAGE * 28}"


def distilabel(url: str) -> Callable[[list[str]], int]:
    """Asks prompts, gives the number of answers."""
    from distilabel.models import OpenAILLM
    from distilabel.steps.tasks import TextGeneration

    settings = {"max_new_tokens": 700, "temperature": 0.7}
    task = TextGeneration(llm=OpenAILLM(model="m", base_url=url, api_key="none", generation_kwargs=settings))
    task.load()

    def ask(prompts: list[str]) -> int:
        rows = [{"instruction": text} for text in prompts]
        batches = (task.process(rows[at : at + AT_ONCE]) for at in range(0, len(rows), AT_ONCE))
        return sum(bool(row["generation"]) for batch in batches for out in batch for row in out)

    return ask


def llama_index(url: str) -> Callable[[list[str]], int]:
    """Asks prompts, gives the number of questions."""
    from llama_index.core.schema import TextNode
    from llama_index.finetuning import generate_qa_embedding_pairs
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(model="m", api_base=url, api_key="none", is_chat_model=True, max_tokens=700, temperature=0.7)

    def ask(prompts: list[str]) -> int:
        nodes = [TextNode(text=text, id_=str(number)) for number, text in enumerate(prompts)]
        with tempfile.TemporaryDirectory() as folder:
            made = generate_qa_embedding_pairs(
                nodes, llm, qa_generate_prompt_tmpl="{context_str}", output_path=str(Path(folder) / "out.json"), verbose=False
            )
        return len(made.queries)

    return ask


def main() -> None:
    """Print the rate."""
    name, url, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ask = {"distilabel": distilabel, "llama_index": llama_index}[name](url)
    ask([prompt(number) for number in range(min(WARM_UP, calls))])
    prompts = [prompt(number) for number in range(calls)]
    began, worked = time.perf_counter(), time.process_time()
    answers = ask(prompts)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    if answers < calls:
        raise SystemExit(f"{name}: {answers} answers to {calls} calls")
    known = version({"distilabel": "distilabel", "llama_index": "llama-index-core"}[name])
    print(json.dumps({"rate": calls / seconds, "cpu_ms": work / calls * 1000, "version": known}))


if __name__ == "__main__":
    main()
