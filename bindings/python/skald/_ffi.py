# SPDX-License-Identifier: MIT
"""The C interface as ctypes sees it: one row per function of skald.h, and the search for the library.

tests/bindings compares every row with the header, so this file states the types plainly and does
nothing clever. A handle and any pointer to bytes that may hold NUL is a c_void_p.
"""

import ctypes
import ctypes.util
import os
import sys
from ctypes import POINTER, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p

ABI_VERSION = 0  # of the header that this table was written from

CALLBACK = ctypes.CFUNCTYPE(c_int32, c_void_p, c_char_p, c_size_t)

_handle = c_void_p  # skald_options *, skald_model *, skald_adapter *, skald_context *
_handle_out = POINTER(c_void_p)
_view_out = POINTER(c_void_p)  # const char **: the address, since bytes may hold NUL
_i32_out, _i64_out, _size_out = POINTER(c_int32), POINTER(c_int64), POINTER(c_size_t)
_f64_out = POINTER(c_double)
_ids = POINTER(c_int32)

# name: (result, parameters)
FUNCTIONS = {
    "skald_version": (c_int32, []),
    "skald_abi_version": (c_int32, []),
    "skald_numeric_version": (c_int32, []),
    "skald_status_name": (c_char_p, [c_int32]),
    "skald_error_message": (c_char_p, []),
    "skald_options_new": (c_int32, [_handle_out]),
    "skald_options_free": (None, [_handle]),
    "skald_options_set_int": (c_int32, [_handle, c_char_p, c_int64]),
    "skald_options_set_float": (c_int32, [_handle, c_char_p, c_double]),
    "skald_options_set_string": (c_int32, [_handle, c_char_p, c_char_p]),
    "skald_options_set_pointer": (c_int32, [_handle, c_char_p, c_void_p]),
    "skald_options_add_string": (c_int32, [_handle, c_char_p, c_char_p]),
    "skald_options_parse": (c_int32, [_handle, c_char_p]),
    "skald_options_get_int": (c_int32, [_handle, c_char_p, _i64_out]),
    "skald_options_get_float": (c_int32, [_handle, c_char_p, _f64_out]),
    "skald_options_get_string": (c_int32, [_handle, c_char_p, _view_out]),
    "skald_options_check": (c_int32, [_handle, c_char_p, c_int64]),
    "skald_options_describe": (c_int32, [c_int32, _view_out, _i32_out, _view_out, _view_out]),
    "skald_options_message": (c_char_p, [_handle]),
    "skald_estimate": (c_int32, [c_char_p, _handle, _i64_out, c_size_t]),
    "skald_model_load": (c_int32, [c_char_p, _handle, _handle_out]),
    "skald_model_open": (c_int32, [c_char_p, _handle, _handle_out]),
    "skald_model_step": (c_int32, [_handle, c_int64]),
    "skald_model_cancel": (None, [_handle]),
    "skald_model_retain": (None, [_handle]),
    "skald_model_release": (None, [_handle]),
    "skald_model_message": (c_char_p, [_handle]),
    "skald_model_get_int": (c_int32, [_handle, c_char_p, _i64_out]),
    "skald_model_get_float": (c_int32, [_handle, c_char_p, _f64_out]),
    "skald_model_get_string": (c_int32, [_handle, c_char_p, _view_out]),
    "skald_model_metadata": (c_int32, [_handle, c_int64, _view_out, _view_out]),
    "skald_model_metadata_int": (c_int32, [_handle, c_char_p, _i64_out]),
    "skald_model_metadata_float": (c_int32, [_handle, c_char_p, _f64_out]),
    "skald_model_metadata_string": (c_int32, [_handle, c_char_p, _view_out, _size_out]),
    "skald_model_metadata_text": (c_int32, [_handle, c_char_p, c_char_p, c_size_t, _size_out]),
    "skald_model_tensor": (c_int32, [_handle, c_int64, _view_out, _view_out, _i64_out, _i64_out]),
    "skald_tokenize": (c_int32, [_handle, c_char_p, c_int64, c_int32, _ids, c_size_t, _size_out]),
    "skald_detokenize": (c_int32, [_handle, _ids, c_size_t, c_int32, c_char_p, c_size_t,
                                   _size_out]),
    "skald_token_bytes": (c_int32, [_handle, c_int32, _view_out, _size_out]),
    "skald_token_flags": (c_int32, [_handle, c_int32, _i32_out]),
    "skald_adapter_load": (c_int32, [_handle, c_char_p, _handle, _handle_out]),
    "skald_adapter_retain": (None, [_handle]),
    "skald_adapter_release": (None, [_handle]),
    "skald_adapter_get_int": (c_int32, [_handle, c_char_p, _i64_out]),
    "skald_set_adapters": (c_int32, [_handle, _handle_out, POINTER(c_double), c_size_t]),
    "skald_context_new": (c_int32, [_handle, _handle, _handle_out]),
    "skald_context_fork": (c_int32, [_handle, _handle_out]),
    "skald_context_free": (None, [_handle]),
    "skald_context_message": (c_char_p, [_handle]),
    "skald_append_text": (c_int32, [_handle, c_char_p, c_int64]),
    "skald_append_tokens": (c_int32, [_handle, _ids, c_size_t]),
    "skald_set_text": (c_int32, [_handle, c_char_p, c_int64]),
    "skald_set_tokens": (c_int32, [_handle, _ids, c_size_t]),
    "skald_set_infill": (c_int32, [_handle, c_char_p, c_int64, c_char_p, c_int64]),
    "skald_add_snippet": (c_int32, [_handle, c_char_p, c_char_p, c_int64]),
    "skald_set_pair": (c_int32, [_handle, c_char_p, c_int64, c_char_p, c_int64]),
    "skald_embedding": (c_int32, [_handle, c_int64, POINTER(POINTER(c_float)), _size_out]),
    "skald_set_chat": (c_int32, [_handle, c_char_p, c_int64]),
    "skald_chat_text": (c_int32, [_handle, _handle, c_char_p, c_int64, c_char_p, c_size_t,
                                  _size_out]),
    "skald_event": (c_int32, [_handle, _view_out, _size_out]),
    "skald_step": (c_int32, [_handle, c_int64]),
    "skald_step_many": (c_int32, [_handle_out, c_size_t, c_int64, _i32_out]),
    "skald_generate": (c_int32, [_handle, CALLBACK, c_void_p]),
    "skald_cancel": (None, [_handle]),
    "skald_text": (c_int32, [_handle, _view_out, _size_out]),
    "skald_bytes": (c_int32, [_handle, _view_out, _size_out]),
    "skald_token": (c_int32, [_handle, _i32_out]),
    "skald_token_probs": (c_int32, [_handle, c_int32, POINTER(POINTER(c_int32)),
                                    POINTER(POINTER(c_float)), _size_out]),
    "skald_tokens": (c_int32, [_handle, POINTER(_ids), _size_out]),
    "skald_truncate": (c_int32, [_handle, c_int64]),
    "skald_splice": (c_int32, [_handle, c_int64, c_int64, _ids, c_size_t]),
    "skald_logits": (c_int32, [_handle, c_int64, POINTER(POINTER(c_float)), _size_out]),
    "skald_state_save": (c_int32, [_handle, c_void_p, c_size_t, _size_out]),
    "skald_state_load": (c_int32, [_handle, c_void_p, c_size_t]),
    "skald_state_write": (c_int32, [_handle, c_void_p]),
    "skald_state_read": (c_int32, [_handle, c_void_p]),
    "skald_state_save_file": (c_int32, [_handle, c_char_p]),
    "skald_state_load_file": (c_int32, [_handle, c_char_p]),
    "skald_context_set_int": (c_int32, [_handle, c_char_p, c_int64]),
    "skald_context_set_float": (c_int32, [_handle, c_char_p, c_double]),
    "skald_context_set_string": (c_int32, [_handle, c_char_p, c_char_p]),
    "skald_context_add_string": (c_int32, [_handle, c_char_p, c_char_p]),
    "skald_context_get_int": (c_int32, [_handle, c_char_p, _i64_out]),
    "skald_context_get_float": (c_int32, [_handle, c_char_p, _f64_out]),
    "skald_context_get_string": (c_int32, [_handle, c_char_p, _view_out]),
}

# The constants of the header that the binding uses, by their names without SKALD_.
CONSTANTS = {
    "DONE": 0, "TOKEN": 1, "PENDING": 2,
    "E_NOT_FOUND": -1, "E_IO": -2, "E_NOT_MODEL": -3, "E_VERSION": -4, "E_TRUNCATED": -5,
    "E_CORRUPT": -6, "E_ARCHITECTURE": -7, "E_TYPE": -8, "E_TOKENIZER": -9, "E_MEMORY": -10,
    "E_ARGUMENT": -11, "E_OPTION": -12, "E_BUSY": -13, "E_CANCELLED": -14,
    "E_CONTEXT_FULL": -15, "E_GRAMMAR": -16, "E_NUMERIC": -17, "E_CHANGED": -18, "E_STATE": -19,
    "E_BUFFER": -20, "E_TEMPLATE": -21,
    "TYPE_INT": 1, "TYPE_FLOAT": 2, "TYPE_STRING": 3, "TYPE_POINTER": 4,
    "EVENT_TEXT": 1, "EVENT_REASONING": 2, "EVENT_TOOL_CALL": 3, "EVENT_DROPPED": 4,
    "ADD_SPECIAL": 1, "PARSE_SPECIAL": 2, "CLEAN_UP": 4,
    "FLAG_CONTROL": 1, "FLAG_END": 2, "FLAG_BYTE": 4, "FLAG_UNKNOWN": 8, "FLAG_USER": 16,
    "FLAG_UNUSED": 32,
}


def candidates() -> "list[str]":
    """Where the library is looked for, in order."""
    here = os.path.dirname(os.path.abspath(__file__))
    name = {"win32": "skald.dll", "darwin": "libskald.dylib"}.get(sys.platform, "libskald.so")
    found = [os.environ.get("SKALD_LIBRARY"), os.path.join(here, name),
             os.path.join(here, "%s.%d" % (name, ABI_VERSION)), ctypes.util.find_library("skald"),
             "%s.%d" % (name, ABI_VERSION)]
    return [path for path in found if path]


def load() -> ctypes.CDLL:
    """The library with every function declared. A SKALD_LIBRARY that fails is not passed over."""
    tried = []
    for path in candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            tried.append("  %s: %s" % (path, error))
            if path == os.environ.get("SKALD_LIBRARY"):
                break
            continue
        declare(library, path)
        return library
    raise ImportError("the Skald library was not found; set SKALD_LIBRARY to its path. Tried:\n" +
                      "\n".join(tried))


def declare(library: ctypes.CDLL, path: str) -> None:
    for name, (result, params) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError("%s has no %s: it is older than this package" % (path, name)) from None
        function.restype, function.argtypes = result, params
    if library.skald_abi_version() != ABI_VERSION:
        raise ImportError("%s has the binary interface %d, this package wants %d" % (
            path, library.skald_abi_version(), ABI_VERSION))
