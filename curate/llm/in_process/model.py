"""A causal language model in this process: loaded safely, and asked for several answers at a time."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from curate.llm.answers import clean_text
from curate.llm.in_process.choice import Choice, Grammars, Manner
from curate.llm.weights import Source, cached_revision, model_source
from curate.llm.wire import Request
from schemas.errors import ProviderError, SettingsError
from schemas.settings import RoleSettings

INSTALL = 'pip install "curate-embeddings[train]"'


@dataclass(frozen=True)
class Asking:
    """A request as the model reads it: token ids of the prompt, the seed of its draws, the JSON schema of its answer."""

    ids: tuple[int, ...]
    seed: int
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Said:
    """What the model wrote: "stop" when it came to an end, "length" when it was cut; tokens count the end mark."""

    text: str
    finish_reason: str
    tokens: int


class LocalModel:
    """Model and tokenizer of `llm.ROLE.model`, in memory until `close`.

    `limit`: the longest prompt in tokens that leaves room for an answer; None when the model names none.
    """

    def __init__(self, role: str, settings: RoleSettings) -> None:
        self._torch = importlib.import_module("torch")
        self._answer_tokens = settings.max_output_tokens
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._tokenizer, self._model = _load(role, settings, number_type(self._device))
        own = self._model.generation_config
        self._manner = Manner(settings.temperature, int(own.top_k or 0), float(own.top_p or 1.0))
        self._ends = _ends(own.eos_token_id, self._tokenizer.eos_token_id)
        padding = self._tokenizer.pad_token_id
        self._padding = padding if padding is not None else (self._ends or [0])[0]
        # A penalty on repetition would punish quoting the passage; so of the model's own manner only top_k and top_p stay.
        self._model.generation_config = _library("transformers", role).GenerationConfig()
        self._marks = _marks(self._tokenizer)
        inner = self._model.config.get_text_config()
        positions = getattr(inner, "max_position_embeddings", None)
        self.limit = positions - self._answer_tokens if isinstance(positions, int) else None
        self._grammars = Grammars(self._tokenizer, max(inner.vocab_size, len(self._tokenizer)), self._ends)

    def encode(self, request: Request) -> tuple[int, ...]:
        """Token ids of a request's messages in the model's chat template; without one the messages follow each other."""
        # A document that holds a chat mark must not open a turn of its own.
        messages = [{"role": message["role"], "content": self._defused(message["content"])} for message in request.messages]
        if not self._tokenizer.chat_template:
            text = "\n\n".join(message["content"] for message in messages) + "\n\n"
            return tuple(self._tokenizer(text, verbose=False)["input_ids"])
        try:
            text = self._templated(messages)
        except Exception:  # the template's own refusal: several know no system role
            text = self._templated(_without_system(messages))
        return tuple(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def write(self, batch: Sequence[Asking]) -> list[Said]:
        """One answer an asking, in order. Raises what `is_out_of_memory` knows when the batch is too much."""
        torch = self._torch
        width = max(len(asking.ids) for asking in batch)
        rows = [[self._padding] * (width - len(asking.ids)) + list(asking.ids) for asking in batch]
        mask = [[0] * (width - len(asking.ids)) + [1] * len(asking.ids) for asking in batch]
        choice = Choice(
            self._manner, [asking.seed for asking in batch], [self._grammars.matcher(asking.schema) for asking in batch]
        )
        with torch.inference_mode():
            written = self._model.generate(
                input_ids=torch.tensor(rows, device=self._device),
                attention_mask=torch.tensor(mask, device=self._device),
                logits_processor=[choice],
                max_new_tokens=self._answer_tokens,
                do_sample=False,
                eos_token_id=self._ends or None,
                pad_token_id=self._padding,
            )
        return [self._said(row[width:]) for row in written.tolist()]

    def close(self) -> None:
        """Give back the memory, on the GPU too."""
        del self._model, self._tokenizer, self._grammars
        free_memory()

    def _templated(self, messages: list[dict[str, str]]) -> str:
        # Models that think aloud unless told not to would spend the answer's tokens on it; others ignore the word.
        text: str = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, enable_thinking=False
        )
        return text

    def _defused(self, text: str) -> str:
        for mark in self._marks:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        return text

    def _said(self, tokens: list[int]) -> Said:
        end = next((at for at, token in enumerate(tokens) if token in self._ends), None)
        own = tokens if end is None else tokens[:end]
        text = self._tokenizer.decode(own, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Said(clean_text(text), "length" if end is None else "stop", len(own) + (end is not None))


def check_usable(role: str, settings: RoleSettings) -> None:
    """Raise SettingsError, without loading a thing, when the libraries or the local files are missing."""
    source = model_source(settings.model or "")
    wanted = ["torch", "transformers"] + (["gguf"] if source.gguf_file else [])
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise _not_installed(", ".join(missing), role)


def pin_revision(role: str, settings: RoleSettings) -> None:
    """Know the hub model's revision before it is part of a key. Raises ProviderError when the hub must be asked and can't be."""
    source = model_source(settings.model or "")
    if source.local or settings.alias or cached_revision(source.name):
        return
    hub = _library("huggingface_hub", role)
    try:
        with silenced():
            hub.hf_hub_download(source.name, source.gguf_file or "config.json")
    except Exception as error:  # network, name, rights: the hub's client raises anything
        raise _cannot_load(role, source, error) from error


def number_type(device: str) -> Any:
    """bfloat16 where the hardware computes in it, else float16 on a GPU and float32 on a CPU."""
    torch: Any = importlib.import_module("torch")
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    # Measured with a model of 0.5B: with these instructions half the time of float32, without them it is slower.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return torch.bfloat16 if any(getattr(torch.cpu, name, bool)() for name in names) else torch.float32


def is_out_of_memory(error: Exception) -> bool:
    """Whether a smaller batch may help."""
    said = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said))
    )


def free_memory() -> None:
    """Give back what is no longer used."""
    gc.collect()
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(role: str, settings: RoleSettings, dtype: Any) -> tuple[Any, Any]:
    """Tokenizer and model. The cache is enough where it is whole; the hub's code is never run, pickled weights never read."""
    library = _library("transformers", role)
    source = model_source(settings.model or "")
    revision = None if source.local else cached_revision(source.name)
    where: dict[str, Any] = {"trust_remote_code": False}
    where |= {"revision": revision} if revision else {}
    where |= {"gguf_file": source.gguf_file} if source.gguf_file else {}
    safely = {} if source.gguf_file else {"use_safetensors": True}
    for offline in (True,) if source.local else (True, False):
        try:
            with silenced():
                tokenizer = library.AutoTokenizer.from_pretrained(source.name, local_files_only=offline, **where)
                model = library.AutoModelForCausalLM.from_pretrained(
                    source.name, local_files_only=offline, dtype=dtype, **safely, **where
                )
            break
        except Exception as error:  # from OSError to KeyError, whatever a file or the network makes of it
            if is_out_of_memory(error):
                raise _too_big(role, source) from error
            if source.local or not offline:
                raise _cannot_load(role, source, error) from error
    return tokenizer, _placed(model, role, source)


def _placed(model: Any, role: str, source: Source) -> Any:
    torch: Any = importlib.import_module("torch")
    try:
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    except Exception as error:
        if is_out_of_memory(error):
            raise _too_big(role, source) from error
        raise


def _ends(*known: Any) -> list[int]:
    found: list[int] = []
    for ids in known:
        found += ids if isinstance(ids, list) else [ids] if ids is not None else []
    return list(dict.fromkeys(found))


def _marks(tokenizer: Any) -> list[str]:
    """Texts of the special tokens, longest first."""
    marks = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted((mark for mark in marks if len(mark) > 1 and mark.strip()), key=lambda mark: (-len(mark), mark))


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    rules = [message["content"] for message in messages if message["role"] == "system"]
    others = [message for message in messages if message["role"] != "system"]
    return [{"role": "user", "content": "\n\n".join([*rules, others[0]["content"]])}, *others[1:]]


def _library(name: str, role: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _not_installed(f"{name} ({error})", role) from error


def _not_installed(what: str, role: str) -> SettingsError:
    return SettingsError(
        f"a model in this process needs what is not installed: {what}", where=f"llm.{role}.provider", next_step=INSTALL
    )


def _too_big(role: str, source: Source) -> ProviderError:
    return ProviderError(
        f"the model does not fit into memory: {source.name}",
        where=f"llm.{role}.model",
        next_step="use a smaller model, or a server (provider = endpoint)",
    )


def _cannot_load(role: str, source: Source, error: Exception) -> SettingsError | ProviderError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if source.local:
        return SettingsError(
            f"no usable language model in {source.name}: {reason}",
            where=f"llm.{role}.model",
            next_step="give a folder with config.json, tokenizer files and *.safetensors, or a .gguf file",
        )
    return ProviderError(
        f"{source.name} could not be fetched from the Hugging Face hub: {reason}",
        where=f"llm.{role}.model",
        next_step=f"check the name and the network, or download the model elsewhere and set llm.{role}.model to its folder",
    )


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """No progress bars and no chatter of the libraries: progress is ours to show."""
    logging = importlib.import_module("transformers.utils.logging")
    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        # The reader of GGUF files shows a bar of its own that nothing switches off.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
