# SPDX-License-Identifier: MIT
"""Run open-weight language models: the Python face of the Skald library.

    import skald

    with skald.Model("model.gguf") as model:
        for piece in model.generate("Once upon a time", n_predict=64, temperature=0):
            print(piece, end="", flush=True)

Options are keyword arguments and have the names that `skald.options()` lists. Every failure is a
`skald.Error` with the library's sentence and its `code`. Work is done in slices of 50 ms with
Python's lock released: other threads run, and Ctrl-C stops a load, a prompt or a generation.
"""

import contextlib
import ctypes
import json
import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _ffi

__all__ = ["Model", "Adapter", "Context", "Chat", "Reply", "Event", "Error", "Option", "estimate",
           "options", "version"]

_lib = _ffi.load()
_C = _ffi.CONSTANTS
SLICE_US = 50000  # microseconds of work between two looks at Python's signals


class Error(Exception):
    """A call failed: `code` is SKALD_E_...'s value, `name` its name, the text the sentence."""

    code = 0

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = _lib.skald_status_name(code).decode()


def _error_class(name: str, *bases: type) -> type:
    return type(name, (Error,) + bases, {"__doc__": "Skald's error of this kind.",
                                         "__module__": __name__})


NotFound = _error_class("NotFound", LookupError)
InvalidFile = _error_class("InvalidFile", ValueError)  # not a model, truncated, corrupt, ...
Unsupported = _error_class("Unsupported", NotImplementedError)
OutOfMemory = _error_class("OutOfMemory", MemoryError)
InvalidArgument = _error_class("InvalidArgument", ValueError)
Cancelled = _error_class("Cancelled")
ContextFull = _error_class("ContextFull")
Closed = _error_class("Closed", ValueError)  # raised here: the handle was closed

_ERRORS = {
    _C["E_NOT_FOUND"]: NotFound, _C["E_NOT_MODEL"]: InvalidFile, _C["E_VERSION"]: InvalidFile,
    _C["E_TRUNCATED"]: InvalidFile, _C["E_CORRUPT"]: InvalidFile, _C["E_ARCHITECTURE"]: Unsupported,
    _C["E_TYPE"]: Unsupported, _C["E_TOKENIZER"]: Unsupported, _C["E_MEMORY"]: OutOfMemory,
    _C["E_ARGUMENT"]: InvalidArgument, _C["E_OPTION"]: InvalidArgument,
    _C["E_CANCELLED"]: Cancelled, _C["E_CONTEXT_FULL"]: ContextFull,
}


def _check(code: int, message: Optional[bytes] = None) -> int:
    if code >= 0:
        return code
    text = (message if message is not None else _lib.skald_error_message()).decode("utf-8", "replace")
    raise _ERRORS.get(code, Error)(code, text)


def version() -> str:
    """The running library's version, e.g. "1.2.0"."""
    number = _lib.skald_version()
    return "%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)


class Option(NamedTuple):
    """One row of `options()`: its type is "int", "float", "string" or "pointer"."""
    key: str
    type: str
    default: str
    help: str


def options() -> List[Option]:
    """Every option that models and contexts take."""
    found: List[Option] = []
    key, default, text = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    kind = ctypes.c_int32()
    while _lib.skald_options_describe(len(found), ctypes.byref(key), ctypes.byref(kind),
                                      ctypes.byref(default), ctypes.byref(text)) >= 0:
        found.append(Option(_string(key), ("int", "float", "string", "pointer")[kind.value - 1],
                            _string(default), _string(text)))
    return found


def _string(view: ctypes.c_void_p) -> str:
    return ctypes.string_at(view.value).decode("utf-8", "replace") if view.value else ""


def _view(function: Any, *arguments: Any) -> Tuple[int, bytes]:
    """The status and the bytes of a call that ends in (..., const char **, size_t *)."""
    view, n = ctypes.c_void_p(), ctypes.c_size_t()
    code = function(*arguments, ctypes.byref(view), ctypes.byref(n))
    return code, ctypes.string_at(view.value, n.value) if code >= 0 and view.value else b""


def _bytes(text: Union[str, bytes]) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


class _Options:
    """A skald_options for the length of a `with`."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.values = values

    def __enter__(self) -> ctypes.c_void_p:
        self.handle = ctypes.c_void_p()
        _check(_lib.skald_options_new(ctypes.byref(self.handle)))
        try:
            for key, value in self.values.items():
                _set_option("skald_options", self.handle, key, value)
        except BaseException:
            self.__exit__()
            raise
        return self.handle

    def __exit__(self, *_: Any) -> None:
        _lib.skald_options_free(self.handle)


def _set_option(prefix: str, handle: ctypes.c_void_p, key: str, value: Any) -> None:
    """Sets one option of an options handle or of a context, by the value's Python type."""
    name = key.encode()
    if isinstance(value, int):  # bool too
        if not -2**63 <= value < 2**63:
            raise InvalidArgument(_C["E_OPTION"], "option %s does not fit in 64 bits" % key)
        code = getattr(_lib, prefix + "_set_int")(handle, name, value)
    elif isinstance(value, float):
        code = getattr(_lib, prefix + "_set_float")(handle, name, value)
    elif isinstance(value, (str, bytes, os.PathLike)):
        code = getattr(_lib, prefix + "_set_string")(handle, name, _option_text(key, value))
    elif isinstance(value, (list, tuple)):
        code, setter = 0, "_set_string"  # the first replaces what was there
        for item in value or [""]:
            if code >= 0:
                code = getattr(_lib, prefix + setter)(handle, name, _option_text(key, item))
            setter = "_add_string"
    elif isinstance(value, Model) and prefix == "skald_options":
        code = _lib.skald_options_set_pointer(handle, name, value._handle)
    else:
        raise TypeError("option %s: %s is no int, float, str, list or Model" % (key, type(value).__name__))
    _check(code, getattr(_lib, prefix + "_message")(handle))


def _option_text(key: str, value: Any) -> bytes:
    text = os.fsencode(value) if isinstance(value, os.PathLike) else _bytes(value)
    if b"\0" in text:
        raise InvalidArgument(_C["E_OPTION"], "option %s holds a NUL" % key)
    return text


class _Handle:
    """What models and contexts share: a C handle, freed once, by close() or by the collector.

    `_lock` is held during every call on the handle, so that close() in one thread waits for the
    slice that another is in. cancel() takes only `_alive`, which is held while a handle is freed."""

    def _own(self, handle: ctypes.c_void_p, free: Any) -> None:
        self._handle, self._lock, self._alive = handle, threading.RLock(), threading.RLock()
        self._finalizer = weakref.finalize(self, free, handle)

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def close(self) -> None:
        """Frees the handle; a second time does nothing."""
        with self._lock, self._alive:
            self._finalizer()

    def _live(self) -> ctypes.c_void_p:
        if self.closed:
            raise Closed(_C["E_STATE"], "this %s was closed" % type(self).__name__.lower())
        return self._handle

    def info(self, key: str) -> Union[int, float, str]:
        """What the handle says of itself by key, e.g. "n_layer", "stop_reason" (see skald.h)."""
        with self._lock:
            return self._get(self._live(), key)

    def _get(self, handle: ctypes.c_void_p, key: str) -> Union[int, float, str]:
        number, real, text = ctypes.c_int64(), ctypes.c_double(), ctypes.c_void_p()
        name, code = key.encode(), 0
        for kind, value in (("int", number), ("string", text), ("float", real)):
            code = getattr(_lib, "%s_get_%s" % (self._prefix, kind))(handle, name,
                                                                     ctypes.byref(value))
            if code >= 0:
                return _string(text) if kind == "string" else value.value  # type: ignore
        return _check(code, getattr(_lib, self._prefix + "_message")(handle))

    def __enter__(self) -> Any:
        self._live()
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a skald.%s cannot be pickled; open it where it is used" %
                        type(self).__name__)


def estimate(path: Union[str, bytes, "os.PathLike[str]"], **options: Any) -> Dict[str, int]:
    """What a model and a context will cost, in bytes, before they are made."""
    names = ("mapped", "model", "loading", "context", "workspace", "cache", "token")
    costs = (ctypes.c_int64 * len(names))()
    with _Options(options) as o:
        _check(_lib.skald_estimate(os.fsencode(path), o, costs, len(names)))
    return dict(zip(names, costs))


class Model(_Handle):
    """A model file, loaded; shared by any number of contexts and threads."""

    _prefix = "skald_model"

    def __init__(self, path: Union[str, bytes, "os.PathLike[str]"], **options: Any) -> None:
        handle = ctypes.c_void_p()
        name = os.fsencode(path)
        if b"\0" in name:
            raise InvalidArgument(_C["E_ARGUMENT"], "the path holds a NUL")
        with _Options(options) as o:
            _check(_lib.skald_model_open(name, o, ctypes.byref(handle)))
        self._own(handle, _lib.skald_model_release)
        try:
            while _check(_lib.skald_model_step(handle, SLICE_US),
                         _lib.skald_model_message(handle)) == _C["PENDING"]:
                pass
        except BaseException:
            self.close()
            raise
        self.metadata = Metadata(self)

    @property
    def architecture(self) -> str:
        return str(self.info("architecture"))

    @property
    def name(self) -> str:
        return str(self.info("name"))

    @property
    def n_vocab(self) -> int:
        return int(self.info("n_vocab"))

    @property
    def n_parameters(self) -> int:
        return int(self.info("n_parameters"))

    @property
    def n_ctx_train(self) -> int:
        return int(self.info("n_ctx_train"))

    def tokenize(self, text: Union[str, bytes], add_special: bool = False,
                 parse_special: bool = False) -> List[int]:
        """The tokens of a text. `add_special`: BOS and EOS as the model wants them;
        `parse_special`: texts of control tokens become those tokens."""
        data, needed = _bytes(text), ctypes.c_size_t()
        flags = _C["ADD_SPECIAL"] * add_special | _C["PARSE_SPECIAL"] * parse_special
        capacity = len(data) + 2
        with self._lock:
            while True:
                ids = (ctypes.c_int32 * capacity)()
                code = _lib.skald_tokenize(self._live(), data, len(data), flags, ids, capacity,
                                           ctypes.byref(needed))
                if code != _C["E_BUFFER"]:
                    _check(code)
                    return ids[:needed.value]
                capacity = needed.value

    def detokenize(self, ids: Sequence[int], drop_special: bool = False,
                   write_special: bool = False, clean_up: bool = False) -> bytes:
        """The bytes of tokens. `drop_special`: without BOS and EOS; `write_special`: control
        tokens are written out; `clean_up`: blanks before punctuation go."""
        array, needed = (ctypes.c_int32 * len(ids))(*ids), ctypes.c_size_t()
        flags = (_C["ADD_SPECIAL"] * drop_special | _C["PARSE_SPECIAL"] * write_special |
                 _C["CLEAN_UP"] * clean_up)
        size = 16 * len(ids) + 16
        with self._lock:
            while True:
                buffer = ctypes.create_string_buffer(size)
                code = _lib.skald_detokenize(self._live(), array, len(ids), flags, buffer, size,
                                             ctypes.byref(needed))
                if code != _C["E_BUFFER"]:
                    _check(code)
                    return buffer.raw[:needed.value]
                size = needed.value

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one token as they are streamed."""
        with self._lock:
            code, data = _view(_lib.skald_token_bytes, self._live(), token)
        _check(code)
        return data

    def adapter(self, path: Union[str, bytes, "os.PathLike[str]"], **options: Any) -> "Adapter":
        """A LoRA or control vector file for this model, which any number of its contexts may use
        (options: layer_first, layer_last, max_memory)."""
        return Adapter(self, path, **options)

    def context(self, **options: Any) -> "Context":
        """A new conversation with this model."""
        return Context(self, **options)

    def chat(self, system: Optional[str] = None, tools: Optional[List[Any]] = None,
             template_vars: Optional[Dict[str, Any]] = None, **options: Any) -> "Chat":
        """A conversation that keeps its messages, in a context of its own."""
        return Chat(self, system, tools, template_vars, **options)

    def render_chat(self, conversation: Union[str, List[Any], Dict[str, Any]],
                    **options: Any) -> str:
        """The prompt of a conversation as text (options: chat_template, chat_now)."""
        data, needed, size = _conversation(conversation), ctypes.c_size_t(), 4096
        with _Options(options) as o, self._lock:
            while True:
                buffer = ctypes.create_string_buffer(size)
                code = _lib.skald_chat_text(self._live(), o, data, len(data), buffer, size,
                                            ctypes.byref(needed))
                if code != _C["E_BUFFER"]:
                    _check(code)
                    return buffer.raw[:needed.value].decode("utf-8", "replace")
                size = needed.value

    def generate(self, prompt: Union[str, bytes, Sequence[int]], **options: Any) -> Iterator[str]:
        """Streams the continuation of a prompt, in a context of its own."""
        with self.context(**options) as context:
            context.append(prompt)
            yield from context.generate()


    def embed(self, texts: Sequence[Union[str, bytes, Sequence[int]]],
              **options: Any) -> List[List[float]]:
        """The vectors of some texts (options: pooling, normalise, ...), evaluated together."""
        options.setdefault("pooling", "model")
        return self._vectors(texts, options)

    def rerank(self, query: str, documents: Sequence[str], **options: Any) -> List[float]:
        """How well each document answers a query, by a reranking model: its first score."""
        options.setdefault("pooling", "rank")
        return [v[0] for v in self._vectors([(query, d) for d in documents], options)]

    def _vectors(self, texts: Sequence[Any], options: Dict[str, Any]) -> List[List[float]]:
        at_once, vectors = 16, []
        for i in range(0, len(texts), at_once):
            contexts = [self.context(**options) for _ in texts[i:i + at_once]]
            try:
                for context, text in zip(contexts, texts[i:i + at_once]):
                    if isinstance(text, tuple):
                        context.set_pair(*text)
                    else:
                        context.set_prompt(text)
                _step_all(contexts)
                vectors += [context.embedding() for context in contexts]
            finally:
                for context in contexts:
                    context.close()
        return vectors


class Metadata(Mapping):  # type: ignore[type-arg]
    """The file's metadata: numbers, strings, and arrays as their text, read when asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __len__(self) -> int:
        return int(self._model.info("n_metadata"))

    def __iter__(self) -> Iterator[str]:
        for index in range(len(self)):
            yield self._entry(index)[0]

    def _entry(self, index: int) -> Tuple[str, str]:
        key, kind = ctypes.c_void_p(), ctypes.c_void_p()
        with self._model._lock:
            _check(_lib.skald_model_metadata(self._model._live(), index, ctypes.byref(key),
                                             ctypes.byref(kind)))
            return _string(key), _string(kind)

    def __getitem__(self, key: str) -> Union[int, float, str]:
        name, number, real = key.encode(), ctypes.c_int64(), ctypes.c_double()
        with self._model._lock:
            handle = self._model._live()
            if _lib.skald_model_metadata_int(handle, name, ctypes.byref(number)) >= 0:
                return number.value
            if _lib.skald_model_metadata_float(handle, name, ctypes.byref(real)) >= 0:
                return real.value
            code, data = _view(_lib.skald_model_metadata_string, handle, name)
            if code < 0:
                code, data = self._text(handle, name)
        if code == _C["E_NOT_FOUND"]:
            raise KeyError(key)
        _check(code)
        return data.decode("utf-8", "replace")

    def _text(self, handle: ctypes.c_void_p, name: bytes) -> Tuple[int, bytes]:
        needed = ctypes.c_size_t()
        code = _lib.skald_model_metadata_text(handle, name, None, 0, ctypes.byref(needed))
        if code < 0 and code != _C["E_BUFFER"]:
            return code, b""
        buffer = ctypes.create_string_buffer(needed.value + 1)
        code = _lib.skald_model_metadata_text(handle, name, buffer, len(buffer), None)
        return code, buffer.value


class Adapter(_Handle):
    """A LoRA or control vector file, loaded for one model; shared by any number of its contexts."""

    _prefix = "skald_adapter"

    def __init__(self, model: Model, path: Union[str, bytes, "os.PathLike[str]"],
                 **options: Any) -> None:
        handle, name = ctypes.c_void_p(), os.fsencode(path)
        if b"\0" in name:
            raise InvalidArgument(_C["E_ARGUMENT"], "the path holds a NUL")
        with _Options(options) as o, model._lock:
            _check(_lib.skald_adapter_load(model._live(), name, o, ctypes.byref(handle)))
        self.model = model
        self._own(handle, _lib.skald_adapter_release)

    def _get(self, handle: ctypes.c_void_p, key: str) -> int:
        number = ctypes.c_int64()
        _check(_lib.skald_adapter_get_int(handle, key.encode(), ctypes.byref(number)))
        return number.value


class Context(_Handle):
    """One conversation: its tokens, the model's memory of them, and a sampler."""

    _prefix = "skald_context"

    def __init__(self, model: Model, **options: Any) -> None:
        handle = ctypes.c_void_p()
        with _Options(options) as o, model._lock:
            _check(_lib.skald_context_new(model._live(), o, ctypes.byref(handle)))
        self.model = model
        self._own(handle, _lib.skald_context_free)

    def _checked(self, code: int) -> int:
        return _check(code, _lib.skald_context_message(self._handle))

    def fork(self) -> "Context":
        """Another context that goes on where this one stands; what both hold is shared."""
        handle, fork = ctypes.c_void_p(), Context.__new__(Context)
        with self._lock:
            self._checked(_lib.skald_context_fork(self._live(), ctypes.byref(handle)))
        fork.model = self.model
        fork._own(handle, _lib.skald_context_free)
        return fork

    def set_adapters(self, adapters: Sequence["Adapter"],
                     scales: Optional[Sequence[float]] = None) -> None:
        """Gives the context these adapters, in place of those that it had, each with its scale (1 by
        default). With others than before, its tokens are evaluated again."""
        factors = [1.0] * len(adapters) if scales is None else list(scales)
        if len(factors) != len(adapters):
            raise InvalidArgument(_C["E_ARGUMENT"], "%d adapters have %d scales" % (
                len(adapters), len(factors)))
        with contextlib.ExitStack() as stack:
            for handle in (self, *adapters):
                stack.enter_context(handle._lock)
            handles = (ctypes.c_void_p * len(adapters))(*[a._live() for a in adapters])
            self._checked(_lib.skald_set_adapters(
                self._live(), handles, (ctypes.c_double * len(factors))(*factors), len(adapters)))

    def _give(self, verb: str, what: Union[str, bytes, Sequence[int]]) -> None:
        with self._lock:
            handle = self._live()
            if isinstance(what, (str, bytes)):
                data = _bytes(what)
                self._checked(getattr(_lib, verb + "_text")(handle, data, len(data)))
            else:
                ids = (ctypes.c_int32 * len(what))(*what)
                self._checked(getattr(_lib, verb + "_tokens")(handle, ids, len(what)))

    def append(self, what: Union[str, bytes, Sequence[int]]) -> None:
        """Appends text, or tokens as they are."""
        self._give("skald_append", what)

    def set_prompt(self, what: Union[str, bytes, Sequence[int]]) -> None:
        """Makes the context hold exactly this text, or these tokens. What they share with what it
        held, from the beginning on, is not evaluated again; `info("n_reused")` says how much."""
        self._give("skald_set", what)

    def set_chat(self, conversation: Union[str, List[Any], Dict[str, Any]]) -> None:
        """Makes the context hold the prompt of a conversation: a list of messages, or an object with
        `messages`, `tools` and `vars`, or the JSON of either."""
        data = _conversation(conversation)
        with self._lock:
            self._checked(_lib.skald_set_chat(self._live(), data, len(data)))

    def events(self) -> Iterator["Event"]:
        """Streams a reply told apart: events of kind "text", "reasoning" and "tool_call", and
        "dropped" when old tokens made room (option when_full)."""
        state = "pending"
        while state != "done":
            state = self.step()[0]
            while state != "pending":
                with self._lock:
                    code, data = _view(_lib.skald_event, self._live())
                if self._checked(code) == 0:
                    break
                yield Event(_KINDS[code], data.decode("utf-8", "replace"))

    def step(self, budget_us: int = SLICE_US) -> Tuple[str, str]:
        """Works for about `budget_us` microseconds: ("token" | "pending" | "done", text)."""
        with self._lock:
            code = self._checked(_lib.skald_step(self._live(), budget_us))
            text = b"" if code == _C["PENDING"] else _view(_lib.skald_text, self._handle)[1]
        state = {_C["TOKEN"]: "token", _C["PENDING"]: "pending"}.get(code, "done")
        return state, text.decode("utf-8", "replace")

    def generate(self) -> Iterator[str]:
        """Streams text until generation ends; `info("stop_reason")` then says why. An interrupted
        context is as if the unfinished token had not begun, and can go on."""
        state = "pending"
        while state != "done":
            state, text = self.step()
            if text:
                yield text

    def cancel(self) -> None:
        """Ends the step that runs, or else the next one, from any thread."""
        with self._alive:
            if not self.closed:
                _lib.skald_cancel(self._handle)

    def set(self, **options: Any) -> None:
        """Changes options of sampling and stopping; they hold from the next token on."""
        with self._lock:
            for key, value in options.items():
                _set_option(self._prefix, self._live(), key, value)

    def truncate(self, n_tokens: int) -> None:
        """Forgets all but the first `n_tokens` tokens."""
        with self._lock:
            self._checked(_lib.skald_truncate(self._live(), n_tokens))

    def splice(self, at: int, n_remove: int, ids: Sequence[int] = ()) -> None:
        """Puts tokens in the place of the `n_remove` from token `at` on."""
        array = (ctypes.c_int32 * len(ids))(*ids)
        with self._lock:
            self._checked(_lib.skald_splice(self._live(), at, n_remove, array, len(ids)))

    def save(self) -> bytes:
        """The context as bytes: tokens, cache, sampling options, how far generation has come."""
        needed = ctypes.c_size_t()
        with self._lock:
            handle = self._live()
            code = _lib.skald_state_save(handle, None, 0, ctypes.byref(needed))
            if code != _C["E_BUFFER"]:
                self._checked(code)
            buffer = ctypes.create_string_buffer(needed.value)
            self._checked(_lib.skald_state_save(handle, buffer, len(buffer), None))
        return buffer.raw

    def load(self, state: bytes) -> None:
        """Makes the context what was saved; what does not fit its model is refused."""
        with self._lock:
            self._checked(_lib.skald_state_load(self._live(), state, len(state)))

    def save_file(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Saves to a file, which is replaced in one moment: it is the old one or the new, whole."""
        with self._lock:
            self._checked(_lib.skald_state_save_file(self._live(), os.fsencode(path)))

    def load_file(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Makes the context what was saved to a file."""
        with self._lock:
            self._checked(_lib.skald_state_load_file(self._live(), os.fsencode(path)))

    @property
    def tokens(self) -> List[int]:
        """All tokens of the context."""
        ids, n = ctypes.POINTER(ctypes.c_int32)(), ctypes.c_size_t()
        with self._lock:
            self._checked(_lib.skald_tokens(self._live(), ctypes.byref(ids), ctypes.byref(n)))
            return ids[:n.value] if n.value else []

    def set_infill(self, before: Union[str, bytes], after: Union[str, bytes]) -> None:
        """Makes the context hold a prompt that asks for what is missing between two texts."""
        one, two = _bytes(before), _bytes(after)
        with self._lock:
            self._checked(_lib.skald_set_infill(self._live(), one, len(one), two, len(two)))

    def add_snippet(self, name: str, text: Union[str, bytes]) -> None:
        """Remembers a piece of another text for all later `set_infill`; the oldest are forgotten."""
        data = _bytes(text)
        with self._lock:
            self._checked(_lib.skald_add_snippet(self._live(), _bytes(name), data, len(data)))

    def set_pair(self, first: Union[str, bytes], second: Union[str, bytes]) -> None:
        """Makes the context hold two texts: for a reranking model a query and a document."""
        one, two = _bytes(first), _bytes(second)
        with self._lock:
            self._checked(_lib.skald_set_pair(self._live(), one, len(one), two, len(two)))

    def embedding(self, index: int = 0) -> List[float]:
        """The vector of what the context holds, or its scores (option pooling); with pooling none
        that of a token."""
        values, n = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
        with self._lock:
            self._checked(_lib.skald_embedding(self._live(), index, ctypes.byref(values),
                                               ctypes.byref(n)))
            return values[:n.value]

    def logits(self, position: int = -1) -> List[float]:
        """The logits that follow the token at `position` (-1: the last evaluated one)."""
        values, n = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
        with self._lock:
            self._checked(_lib.skald_logits(self._live(), position, ctypes.byref(values),
                                            ctypes.byref(n)))
            return values[:n.value]


def _step_all(contexts: Sequence[Context]) -> None:
    """Steps contexts of one model together, of which only this thread knows, until all are done."""
    left = list(contexts)
    while left:
        handles = (ctypes.c_void_p * len(left))(*[c._live() for c in left])
        status = (ctypes.c_int32 * len(left))()
        _check(_lib.skald_step_many(handles, len(left), SLICE_US, status))
        for context, code in zip(left, status):
            context._checked(code)
        left = [c for c, code in zip(left, status) if code != _C["DONE"]]


_KINDS = {_C["EVENT_TEXT"]: "text", _C["EVENT_REASONING"]: "reasoning",
          _C["EVENT_TOOL_CALL"]: "tool_call", _C["EVENT_DROPPED"]: "dropped"}


def _conversation(what: Union[str, List[Any], Dict[str, Any]]) -> bytes:
    return what.encode() if isinstance(what, str) else json.dumps(what).encode()


class Event(NamedTuple):
    """A piece of a reply. The text of a tool call is JSON: id, name, arguments."""

    kind: str
    text: str


class Reply:
    """What came of a turn: `text`, `reasoning`, `tool_calls` (dicts with id, name, arguments),
    `stop_reason`, and `usage`, a dict of counts of tokens."""

    def __init__(self) -> None:
        self.text = self.reasoning = self.stop_reason = ""
        self.tool_calls: List[Dict[str, Any]] = []
        self.usage: Dict[str, int] = {}

    def message(self) -> Dict[str, Any]:
        """The reply as a message of a conversation."""
        message: Dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.tool_calls:
            message["tool_calls"] = [{"id": call["id"], "type": "function", "function": {
                "name": call["name"], "arguments": call["arguments"]}} for call in self.tool_calls]
        return message


class Chat:
    """A conversation: its messages, a plain list that may be changed between turns, and a context
    that evaluates only what changed.

        chat = model.chat(system="You are terse.")
        for piece in chat.send("Name three rivers."):
            print(piece, end="", flush=True)
        print(chat.last.usage)
    """

    def __init__(self, model: Model, system: Optional[str], tools: Optional[List[Any]],
                 template_vars: Optional[Dict[str, Any]], **options: Any) -> None:
        self.context = Context(model, **options)
        self.tools, self.template_vars = tools, template_vars
        self.messages: List[Dict[str, Any]] = []
        self.last = Reply()
        if system is not None:
            self.messages.append({"role": "system", "content": system})

    def events(self, text: Optional[str] = None, role: str = "user",
               **options: Any) -> Iterator[Event]:
        """Says something (None: nothing, the messages are complete) and streams the reply's events.
        `options` hold from now on. The reply becomes a message when it is complete; before that the
        conversation is as if it had not been asked for."""
        messages = self.messages + ([{"role": role, "content": text}] if text is not None else [])
        conversation: Dict[str, Any] = {"messages": messages}
        if self.tools:
            conversation["tools"] = self.tools
        if self.template_vars:
            conversation["vars"] = self.template_vars
        self.context.set(**options)
        self.context.set_chat(conversation)
        self.last = reply = Reply()
        n_prompt, n_generated = len(self.context.tokens), self.context.info("n_generated")
        for event in self.context.events():
            if event.kind == "tool_call":
                reply.tool_calls.append(json.loads(event.text))
            elif event.kind != "dropped":
                setattr(reply, event.kind, getattr(reply, event.kind) + event.text)
            yield event
        reply.stop_reason = str(self.context.info("stop_reason"))
        reply.usage = {"prompt_tokens": n_prompt, "reused_tokens": self.context.info("n_reused"),
                       "completion_tokens": self.context.info("n_generated") - n_generated}
        self.messages[:] = messages + [reply.message()]

    def send(self, text: Optional[str] = None, role: str = "user", **options: Any) -> Iterator[str]:
        """Says something and streams the text of the answer; the rest is in `last`."""
        for event in self.events(text, role, **options):
            if event.kind == "text":
                yield event.text

    def save(self) -> bytes:
        """The messages as bytes."""
        return json.dumps(self.messages).encode()

    def load(self, saved: bytes) -> None:
        """Goes back to what was saved."""
        self.messages[:] = json.loads(saved)

    def close(self) -> None:
        """Frees the context at once."""
        self.context.close()

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
