-- SPDX-License-Identifier: MIT
--
-- Run open-weight language models from LuaJIT: the Lua face of the Skald library, by FFI alone.
-- One file to put next to a LÖVE game or into a Neovim configuration.
--
--     local skald = require "skald"
--     local model = assert(skald.load("model.gguf", {n_threads = 2}))
--     local context = assert(model:context {n_predict = 64, temperature = 0})
--     assert(context:append "Once upon a time")
--     for piece in context:chunks() do io.write(piece) end
--
-- Options are table fields and have the names that skald.options() lists. A call that fails
-- returns nil, the library's sentence, and its code (skald.E_...). Text is pulled: `step(us)` works
-- for about that many microseconds and returns, so a game calls it once a frame. No callback into
-- Lua exists. Handles are freed by close(), or by the collector.

local ffi = require "ffi"

-- The text of skald.h without comments and host tables; tests/bindings compares it by machine.
ffi.cdef [[
typedef struct skald_options skald_options;
typedef struct skald_model skald_model;
typedef struct skald_adapter skald_adapter;
typedef struct skald_context skald_context;
typedef struct skald_reader skald_reader;
typedef struct skald_writer skald_writer;
int32_t skald_version(void);
int32_t skald_abi_version(void);
int32_t skald_numeric_version(void);
const char *skald_status_name(int32_t status);
const char *skald_error_message(void);
int32_t skald_options_new(skald_options **out);
void skald_options_free(skald_options *options);
int32_t skald_options_set_int(skald_options *options, const char *key, int64_t value);
int32_t skald_options_set_float(skald_options *options, const char *key, double value);
int32_t skald_options_set_string(skald_options *options, const char *key, const char *value);
int32_t skald_options_set_pointer(skald_options *options, const char *key, const void *value);
int32_t skald_options_add_string(skald_options *options, const char *key, const char *value);
int32_t skald_options_parse(skald_options *options, const char *text);
int32_t skald_options_get_int(const skald_options *options, const char *key, int64_t *value);
int32_t skald_options_get_float(const skald_options *options, const char *key, double *value);
int32_t skald_options_get_string(const skald_options *options, const char *key, const char **value);
int32_t skald_options_check(skald_options *options, const char *text, int64_t n);
int32_t skald_options_describe(int32_t index, const char **key, int32_t *type, const char **default_value, const char **help);
const char *skald_options_message(const skald_options *options);
int32_t skald_estimate(const char *path, const skald_options *options, int64_t *costs, size_t n);
int32_t skald_model_load(const char *path, const skald_options *options, skald_model **out);
int32_t skald_model_open(const char *path, const skald_options *options, skald_model **out);
int32_t skald_model_step(skald_model *model, int64_t budget_us);
void skald_model_cancel(skald_model *model);
void skald_model_retain(skald_model *model);
void skald_model_release(skald_model *model);
const char *skald_model_message(const skald_model *model);
int32_t skald_model_get_int(const skald_model *model, const char *key, int64_t *value);
int32_t skald_model_get_float(const skald_model *model, const char *key, double *value);
int32_t skald_model_get_string(const skald_model *model, const char *key, const char **value);
int32_t skald_model_metadata(const skald_model *model, int64_t index, const char **key, const char **type);
int32_t skald_model_metadata_int(const skald_model *model, const char *key, int64_t *value);
int32_t skald_model_metadata_float(const skald_model *model, const char *key, double *value);
int32_t skald_model_metadata_string(const skald_model *model, const char *key, const char **value, size_t *n);
int32_t skald_model_metadata_text(const skald_model *model, const char *key, char *buffer, size_t size, size_t *needed);
int32_t skald_model_tensor(const skald_model *model, int64_t index, const char **name, const char **type, int64_t shape[4], int64_t *n_bytes);
int32_t skald_tokenize(const skald_model *model, const char *text, int64_t n, int32_t flags, int32_t *ids, size_t capacity, size_t *needed);
int32_t skald_detokenize(const skald_model *model, const int32_t *ids, size_t n, int32_t flags, char *buffer, size_t size, size_t *needed);
int32_t skald_token_bytes(const skald_model *model, int32_t token, const char **bytes, size_t *n);
int32_t skald_token_flags(const skald_model *model, int32_t token, int32_t *flags);
int32_t skald_adapter_load(skald_model *model, const char *path, const skald_options *options, skald_adapter **out);
void skald_adapter_retain(skald_adapter *adapter);
void skald_adapter_release(skald_adapter *adapter);
int32_t skald_adapter_get_int(const skald_adapter *adapter, const char *key, int64_t *value);
int32_t skald_set_adapters(skald_context *ctx, skald_adapter *const *adapters, const double *scales, size_t n);
int32_t skald_context_new(skald_model *model, const skald_options *options, skald_context **out);
int32_t skald_context_fork(skald_context *ctx, skald_context **out);
void skald_context_free(skald_context *ctx);
const char *skald_context_message(const skald_context *ctx);
int32_t skald_append_text(skald_context *ctx, const char *text, int64_t n);
int32_t skald_append_tokens(skald_context *ctx, const int32_t *ids, size_t n);
int32_t skald_set_text(skald_context *ctx, const char *text, int64_t n);
int32_t skald_set_tokens(skald_context *ctx, const int32_t *ids, size_t n);
int32_t skald_set_infill(skald_context *ctx, const char *before, int64_t n_before, const char *after, int64_t n_after);
int32_t skald_add_snippet(skald_context *ctx, const char *name, const char *text, int64_t n);
int32_t skald_set_pair(skald_context *ctx, const char *first, int64_t n_first, const char *second, int64_t n_second);
int32_t skald_embedding(const skald_context *ctx, int64_t index, const float **vector, size_t *n);
int32_t skald_set_chat(skald_context *ctx, const char *json, int64_t n);
int32_t skald_chat_text(const skald_model *model, const skald_options *options, const char *json, int64_t n, char *buffer, size_t size, size_t *needed);
int32_t skald_event(skald_context *ctx, const char **text, size_t *n);
int32_t skald_step(skald_context *ctx, int64_t budget_us);
int32_t skald_step_many(skald_context *const *ctxs, size_t n, int64_t budget_us, int32_t *status);
int32_t skald_generate(skald_context *ctx, int32_t (*callback)(void *user, const char *text, size_t n), void *user);
void skald_cancel(skald_context *ctx);
int32_t skald_text(const skald_context *ctx, const char **text, size_t *n);
int32_t skald_bytes(const skald_context *ctx, const char **bytes, size_t *n);
int32_t skald_token(const skald_context *ctx, int32_t *token);
int32_t skald_token_probs(const skald_context *ctx, int32_t after, const int32_t **ids, const float **logs, size_t *n);
int32_t skald_tokens(const skald_context *ctx, const int32_t **ids, size_t *n);
int32_t skald_truncate(skald_context *ctx, int64_t n_tokens);
int32_t skald_splice(skald_context *ctx, int64_t at, int64_t n_remove, const int32_t *ids, size_t n);
int32_t skald_logits(const skald_context *ctx, int64_t position, const float **logits, size_t *n);
int32_t skald_state_save(skald_context *ctx, void *buffer, size_t size, size_t *needed);
int32_t skald_state_load(skald_context *ctx, const void *data, size_t n);
int32_t skald_state_write(skald_context *ctx, const skald_writer *writer);
int32_t skald_state_read(skald_context *ctx, const skald_reader *reader);
int32_t skald_state_save_file(skald_context *ctx, const char *path);
int32_t skald_state_load_file(skald_context *ctx, const char *path);
int32_t skald_context_set_int(skald_context *ctx, const char *key, int64_t value);
int32_t skald_context_set_float(skald_context *ctx, const char *key, double value);
int32_t skald_context_set_string(skald_context *ctx, const char *key, const char *value);
int32_t skald_context_add_string(skald_context *ctx, const char *key, const char *value);
int32_t skald_context_get_int(const skald_context *ctx, const char *key, int64_t *value);
int32_t skald_context_get_float(const skald_context *ctx, const char *key, double *value);
int32_t skald_context_get_string(const skald_context *ctx, const char *key, const char **value);
]]

local ABI_VERSION = 0

local skald = {
    DONE = 0, TOKEN = 1, PENDING = 2,
    E_NOT_FOUND = -1, E_IO = -2, E_NOT_MODEL = -3, E_VERSION = -4, E_TRUNCATED = -5,
    E_CORRUPT = -6, E_ARCHITECTURE = -7, E_TYPE = -8, E_TOKENIZER = -9, E_MEMORY = -10,
    E_ARGUMENT = -11, E_OPTION = -12, E_BUSY = -13, E_CANCELLED = -14, E_CONTEXT_FULL = -15,
    E_GRAMMAR = -16, E_NUMERIC = -17, E_CHANGED = -18, E_STATE = -19, E_BUFFER = -20,
    E_TEMPLATE = -21,
    EVENT_TEXT = 1, EVENT_REASONING = 2, EVENT_TOOL_CALL = 3, EVENT_DROPPED = 4,
    ADD_SPECIAL = 1, PARSE_SPECIAL = 2, CLEAN_UP = 4,
    TYPE_INT = 1, TYPE_FLOAT = 2, TYPE_STRING = 3, TYPE_POINTER = 4,
}

-- The library: SKALD_LIBRARY, next to this file, or where the system looks.
local function find_library()
    local source = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or ""
    local name = ({Windows = "skald.dll", OSX = "libskald.dylib"})[ffi.os] or "libskald.so"
    local named = os.getenv "SKALD_LIBRARY"
    local tried = {}
    for _, path in ipairs(named and {named} or {source .. name, name, name .. "." .. ABI_VERSION}) do
        local ok, library = pcall(ffi.load, path)
        if ok then return library end
        tried[#tried + 1] = "  " .. path .. ": " .. tostring(library)
    end
    error("the Skald library was not found; set SKALD_LIBRARY to its path. Tried:\n" ..
          table.concat(tried, "\n"), 0)
end

local C = find_library()
skald.C = C -- anchored here: while it is collected, no handle may live
if C.skald_abi_version() ~= ABI_VERSION then
    error(("the Skald library has the binary interface %d, skald.lua wants %d"):format(
        C.skald_abi_version(), ABI_VERSION), 0)
end

local INVALID = "this handle was closed"

local function failed(code, message)
    return nil, ffi.string(message or C.skald_error_message()), code
end

function skald.version()
    local v = C.skald_version()
    return ("%d.%d.%d"):format(bit.rshift(v, 16), bit.band(bit.rshift(v, 8), 255), bit.band(v, 255))
end

function skald.status_name(code)
    return ffi.string(C.skald_status_name(code))
end

-- Every option: a list of {key =, type =, default =, help =}.
function skald.options()
    local key, default, help = ffi.new "const char *[1]", ffi.new "const char *[1]", ffi.new "const char *[1]"
    local kind, names, list = ffi.new "int32_t[1]", {"int", "float", "string", "pointer"}, {}
    while C.skald_options_describe(#list, key, kind, default, help) >= 0 do
        list[#list + 1] = {key = ffi.string(key[0]), type = names[kind[0]],
                           default = ffi.string(default[0]), help = ffi.string(help[0])}
    end
    return list
end

-- Whether an option is a float cannot be read from a Lua number: the table of options says so.
local option_types
local function set_option(prefix, handle, key, value)
    if not option_types then
        option_types = {}
        for _, option in ipairs(skald.options()) do option_types[option.key] = option.type end
    end
    if type(value) == "boolean" then value = value and 1 or 0 end
    if type(value) == "number" and option_types[key] == "float" then
        return C[prefix .. "_set_float"](handle, key, value)
    elseif type(value) == "number" and value ~= math.floor(value) then
        return C[prefix .. "_set_float"](handle, key, value) -- the library refuses it by name
    elseif type(value) == "number" or type(value) == "cdata" then
        return C[prefix .. "_set_int"](handle, key, value)
    elseif type(value) == "string" then
        return C[prefix .. "_set_string"](handle, key, value)
    elseif type(value) == "table" and value.handle and prefix == "skald_options" then -- a model
        return C.skald_options_set_pointer(handle, key, value.handle)
    elseif type(value) == "table" then
        local code = C[prefix .. "_set_string"](handle, key, value[1] or "")
        for i = 2, #value do
            if code >= 0 then code = C[prefix .. "_add_string"](handle, key, value[i]) end
        end
        return code
    end
    error("option " .. tostring(key) .. " is a " .. type(value), 0)
end

local function make_options(values)
    local out = ffi.new "skald_options *[1]"
    local code = C.skald_options_new(out)
    if code < 0 then return failed(code) end
    local options = ffi.gc(out[0], C.skald_options_free)
    for key, value in pairs(values or {}) do
        code = set_option("skald_options", options, key, value)
        if code < 0 then return failed(code, C.skald_options_message(options)) end
    end
    return options
end

-- What a handle says of itself by key: a number (64-bit ones beyond 2^53 lose digits) or a string.
local function info(prefix, handle, key)
    local number, text, real = ffi.new "int64_t[1]", ffi.new "const char *[1]", ffi.new "double[1]"
    if C[prefix .. "_get_int"](handle, key, number) >= 0 then return tonumber(number[0]) end
    if C[prefix .. "_get_string"](handle, key, text) >= 0 then return ffi.string(text[0]) end
    local code = C[prefix .. "_get_float"](handle, key, real)
    if code >= 0 then return real[0] end
    return failed(code, C[prefix .. "_message"](handle))
end

-- ---- Models -------------------------------------------------------------------------------------

local Model, Adapter, Context, Chat = {}, {}, {}, {}
Model.__index, Adapter.__index, Context.__index, Chat.__index = Model, Adapter, Context, Chat

-- Opens a model that is still loading: call model:step(us) until it returns "done".
function skald.open(path, options)
    local o, message, code = make_options(options)
    if not o then return nil, message, code end
    local out = ffi.new "skald_model *[1]"
    code = C.skald_model_open(path, o, out)
    if code < 0 then return failed(code) end
    return setmetatable({handle = ffi.gc(out[0], C.skald_model_release)}, Model)
end

-- What a model and a context will cost, in bytes: a table with "mapped", "model", "loading", "context",
-- "workspace", "cache" and "token".
function skald.estimate(path, options)
    local o, message, code = make_options(options)
    if not o then return nil, message, code end
    local names = {"mapped", "model", "loading", "context", "workspace", "cache", "token"}
    local costs, named = ffi.new("int64_t[?]", #names), {}
    code = C.skald_estimate(path, o, costs, #names)
    if code < 0 then return failed(code) end
    for i, name in ipairs(names) do named[name] = tonumber(costs[i - 1]) end
    return named
end

-- Loads a model and returns when it is ready.
function skald.load(path, options)
    local model, message, code = skald.open(path, options)
    if not model then return nil, message, code end
    local state
    state, message, code = model:step(-1)
    if not state then
        model:close()
        return nil, message, code
    end
    return model
end

-- Loads for about `budget_us` microseconds: "done" or "pending".
function Model:step(budget_us)
    local code = C.skald_model_step(self:live(), budget_us or -1)
    if code < 0 then return failed(code, C.skald_model_message(self.handle)) end
    return code == skald.PENDING and "pending" or "done"
end

function Model:live()
    return self.handle or error(INVALID, 3)
end

function Model:close()
    if self.handle then C.skald_model_release(ffi.gc(self.handle, nil)) end
    self.handle = nil
end

function Model:info(key)
    return info("skald_model", self:live(), key)
end

-- A value of the file's metadata as a number or as text; without a key, a list of all keys.
function Model:metadata(key)
    local handle = self:live()
    if not key then
        local keys, view = {}, ffi.new "const char *[1]"
        while C.skald_model_metadata(handle, #keys, view, nil) >= 0 do
            keys[#keys + 1] = ffi.string(view[0])
        end
        return keys
    end
    local number, real, needed = ffi.new "int64_t[1]", ffi.new "double[1]", ffi.new "size_t[1]"
    if C.skald_model_metadata_int(handle, key, number) >= 0 then return tonumber(number[0]) end
    if C.skald_model_metadata_float(handle, key, real) >= 0 then return real[0] end
    local code = C.skald_model_metadata_text(handle, key, nil, 0, needed)
    if code < 0 and code ~= skald.E_BUFFER then return failed(code) end
    local buffer = ffi.new("char[?]", needed[0] + 1)
    code = C.skald_model_metadata_text(handle, key, buffer, needed[0] + 1, needed)
    if code < 0 then return failed(code) end
    return ffi.string(buffer, needed[0])
end

-- The tokens of a text, a list of ids. `flags`: skald.ADD_SPECIAL + skald.PARSE_SPECIAL.
function Model:tokenize(text, flags)
    local needed, capacity = ffi.new "size_t[1]", #text + 2
    while true do
        local ids = ffi.new("int32_t[?]", capacity)
        local code = C.skald_tokenize(self:live(), text, #text, flags or 0, ids, capacity, needed)
        if code >= 0 then
            local list = {}
            for i = 1, tonumber(needed[0]) do list[i] = ids[i - 1] end
            return list
        elseif code ~= skald.E_BUFFER then
            return failed(code)
        end
        capacity = tonumber(needed[0])
    end
end

function Model:detokenize(list, flags)
    local ids, needed, size = ffi.new("int32_t[?]", #list, list), ffi.new "size_t[1]", 16 * #list + 16
    while true do
        local buffer = ffi.new("char[?]", size)
        local code = C.skald_detokenize(self:live(), ids, #list, flags or 0, buffer, size, needed)
        if code >= 0 then return ffi.string(buffer, needed[0]) end
        if code ~= skald.E_BUFFER then return failed(code) end
        size = tonumber(needed[0])
    end
end

-- ---- Adapters -----------------------------------------------------------------------------------

-- A LoRA or control vector file for this model, which any number of its contexts may use.
-- Options: layer_first, layer_last, max_memory.
function Model:adapter(path, options)
    local o, message, code = make_options(options)
    if not o then return nil, message, code end
    local out = ffi.new "skald_adapter *[1]"
    code = C.skald_adapter_load(self:live(), path, o, out)
    if code < 0 then return failed(code) end
    return setmetatable({handle = ffi.gc(out[0], C.skald_adapter_release), model = self}, Adapter)
end

Adapter.live = Model.live

function Adapter:close()
    if self.handle then C.skald_adapter_release(ffi.gc(self.handle, nil)) end
    self.handle = nil
end

-- "n_matrices", "n_directions", "max_rank", "memory_live", "memory_peak".
function Adapter:info(key)
    local number = ffi.new "int64_t[1]"
    local code = C.skald_adapter_get_int(self:live(), key, number)
    if code < 0 then return failed(code) end
    return tonumber(number[0])
end

-- ---- Contexts -----------------------------------------------------------------------------------

-- A new conversation with the model.
function Model:context(options)
    local o, message, code = make_options(options)
    if not o then return nil, message, code end
    local out = ffi.new "skald_context *[1]"
    code = C.skald_context_new(self:live(), o, out)
    if code < 0 then return failed(code) end
    return setmetatable({handle = ffi.gc(out[0], C.skald_context_free), model = self,
                         view = ffi.new "const char *[1]", size = ffi.new "size_t[1]"}, Context)
end

Context.live = Model.live

-- Another context that goes on where this one stands; what both hold is shared, not copied.
function Context:fork()
    local out = ffi.new "skald_context *[1]"
    local code = C.skald_context_fork(self:live(), out)
    if code < 0 then return self:checked(code) end
    return setmetatable({handle = ffi.gc(out[0], C.skald_context_free), model = self.model,
                         view = ffi.new "const char *[1]", size = ffi.new "size_t[1]"}, Context)
end

-- Gives the context these adapters, a list, each with its scale: of a second list, or 1.
function Context:set_adapters(adapters, scales)
    local handles, factors = ffi.new("skald_adapter *[?]", #adapters), ffi.new("double[?]", #adapters)
    for i, adapter in ipairs(adapters) do
        handles[i - 1], factors[i - 1] = adapter:live(), scales and scales[i] or 1
    end
    return self:checked(C.skald_set_adapters(self:live(), handles, factors, #adapters), true)
end

function Context:close()
    if self.handle then C.skald_context_free(ffi.gc(self.handle, nil)) end
    self.handle = nil
end

function Context:checked(code, ...)
    if code < 0 then return failed(code, C.skald_context_message(self.handle)) end
    return ...
end

-- Appends text, or a list of tokens as they are.
function Context:append(what)
    local handle = self:live()
    if type(what) == "string" then
        return self:checked(C.skald_append_text(handle, what, #what), true)
    end
    return self:checked(C.skald_append_tokens(handle, ffi.new("int32_t[?]", #what, what), #what), true)
end

-- Makes the context hold exactly this text, or these tokens. What they share with what it held,
-- from the beginning on, is not evaluated again; info "n_reused" says how much.
function Context:set_prompt(what)
    local handle = self:live()
    if type(what) == "string" then
        return self:checked(C.skald_set_text(handle, what, #what), true)
    end
    return self:checked(C.skald_set_tokens(handle, ffi.new("int32_t[?]", #what, what), #what), true)
end

-- Works for about `budget_us` microseconds (-1: to the next token): "token", "pending" or "done",
-- and the text that can be shown, or nil.
function Context:step(budget_us)
    local code = C.skald_step(self:live(), budget_us or -1)
    if code < 0 then return self:checked(code) end
    if code == skald.PENDING then return "pending" end
    local text
    if C.skald_text(self.handle, self.view, self.size) >= 0 and self.size[0] > 0 then
        text = ffi.string(self.view[0], self.size[0])
    end
    return code == skald.TOKEN and "token" or "done", text
end

-- Iterates over the pieces of text until generation ends; an error is raised. With a budget, a
-- spent slice gives an empty piece, at which a coroutine can yield.
function Context:chunks(budget_us)
    local done = false
    return function()
        while not done do
            local state, text, code = self:step(budget_us)
            if not state then error(("%s (%s)"):format(text, skald.status_name(code)), 2) end
            done = state == "done"
            if text then return text end
            if state == "pending" then return "" end
        end
    end
end

-- All text until generation ends.
function Context:generate()
    local pieces = {}
    while true do
        local state, text, code = self:step(-1)
        if not state then return nil, text, code end
        pieces[#pieces + 1] = text
        if state == "done" then return table.concat(pieces) end
    end
end

-- Ends the next step; LuaJIT itself cannot call it during one, another thread of the host's can.
-- The vector of what the context holds, a list of numbers; of a reranking model its scores. With
-- pooling none that of token `index`, from 0 on.
function Context:embedding(index)
    local vector = ffi.new "const float *[1]"
    local code = C.skald_embedding(self:live(), index or 0, vector, self.size)
    if code < 0 then return failed(code) end
    local list = {}
    for i = 1, tonumber(self.size[0]) do list[i] = vector[0][i - 1] end
    return list
end

-- Makes the context hold a prompt that asks for what is missing between two texts.
function Context:set_infill(before, after)
    return self:checked(C.skald_set_infill(self:live(), before, #before, after, #after), true)
end

-- Remembers a piece of another text for all later set_infill; the oldest are forgotten.
function Context:add_snippet(name, text)
    return self:checked(C.skald_add_snippet(self:live(), name, text, #text), true)
end

-- Makes the context hold two texts: for a reranking model a query and a document.
function Context:set_pair(first, second)
    return self:checked(C.skald_set_pair(self:live(), first, #first, second, #second), true)
end

function Context:cancel()
    C.skald_cancel(self:live())
end

function Context:info(key)
    return info("skald_context", self:live(), key)
end

-- Changes options of sampling and stopping.
function Context:set(values)
    for key, value in pairs(values) do
        local code = set_option("skald_context", self:live(), key, value)
        if code < 0 then return self:checked(code) end
    end
    return true
end

function Context:truncate(n_tokens)
    return self:checked(C.skald_truncate(self:live(), n_tokens), true)
end

-- Puts tokens (a list; nil: none) in the place of the `n_remove` from token `at`, 0 the first, on.
function Context:splice(at, n_remove, ids)
    local n = ids and #ids or 0
    local array = n > 0 and ffi.new("int32_t[?]", n, ids) or nil
    return self:checked(C.skald_splice(self:live(), at, n_remove, array, n), true)
end

-- The context as a string of bytes: tokens, cache, sampling options, how far generation has come.
function Context:save()
    local code = C.skald_state_save(self:live(), nil, 0, self.size)
    if code < 0 and code ~= skald.E_BUFFER then return self:checked(code) end
    local buffer = ffi.new("char[?]", self.size[0])
    code = C.skald_state_save(self.handle, buffer, self.size[0], self.size)
    if code < 0 then return self:checked(code) end
    return ffi.string(buffer, self.size[0])
end

-- Makes the context what was saved.
function Context:load(state)
    return self:checked(C.skald_state_load(self:live(), state, #state), true)
end

-- The same to a file, which is replaced in one moment, and from it.
function Context:save_file(path)
    return self:checked(C.skald_state_save_file(self:live(), path), true)
end

function Context:load_file(path)
    return self:checked(C.skald_state_load_file(self:live(), path), true)
end

-- All tokens of the context, a list of ids.
function Context:tokens()
    local ids, list = ffi.new "const int32_t *[1]", {}
    local code = C.skald_tokens(self:live(), ids, self.size)
    if code < 0 then return self:checked(code) end
    for i = 1, tonumber(self.size[0]) do list[i] = ids[0][i - 1] end
    return list
end

-- ---- Chat ---------------------------------------------------------------------------------------

local escapes = {['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t"}

-- A value as JSON: tables with [1] are lists, others objects; nil in a list is not kept.
function skald.json(value)
    local kind = type(value)
    if kind == "string" then
        return '"' .. value:gsub('[%c"\\]', function(c)
            return escapes[c] or ("\\u%04x"):format(c:byte())
        end) .. '"'
    elseif kind == "number" then
        return value == math.floor(value) and ("%d"):format(value) or ("%.17g"):format(value)
    elseif kind ~= "table" then
        return value == nil and "null" or tostring(value)
    end
    local parts, meta = {}, getmetatable(value)
    if meta and meta.__json then return meta.__json end
    if value[1] ~= nil then
        for i = 1, #value do parts[i] = skald.json(value[i]) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    for key, item in pairs(value) do
        parts[#parts + 1] = skald.json(tostring(key)) .. ":" .. skald.json(item)
    end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
end

-- JSON that is there already.
local function raw(text)
    return setmetatable({}, {__json = text})
end

-- What a message has for its calls; each came as {"id", "name", "arguments"}.
local function tool_calls(list)
    local calls = {}
    for i, call in ipairs(list) do calls[i] = {type = "function", ["function"] = raw(call)} end
    return calls
end

-- Makes the context hold the prompt of a conversation: JSON, or a table of messages.
function Context:set_chat(conversation)
    local json = type(conversation) == "string" and conversation or skald.json(conversation)
    return self:checked(C.skald_set_chat(self:live(), json, #json), true)
end

-- What the last step brought, an event a call: its kind ("text", "reasoning", "tool_call", "dropped") and
-- its text, JSON for the last two; nil when there is no more.
function Context:event()
    local kinds = {"text", "reasoning", "tool_call", "dropped"}
    local code = C.skald_event(self:live(), self.view, self.size)
    if code < 0 then return self:checked(code) end
    return kinds[code], code > 0 and ffi.string(self.view[0], self.size[0]) or nil
end

-- A conversation that keeps its messages. Options are those of a context, and `system`, `tools`
-- (a list of tables), `vars` (of the template).
--
--     local chat = assert(model:chat {system = "You are terse.", n_predict = 64})
--     for piece in chat:send "Name a river." do io.write(piece) end
function Model:chat(options)
    local given = {}
    for key, value in pairs(options or {}) do given[key] = value end
    local system, tools, vars = given.system, given.tools, given.vars
    given.system, given.tools, given.vars = nil, nil, nil
    local context, message, code = self:context(given)
    if not context then return nil, message, code end
    local chat = {context = context, messages = {}, tools = tools, vars = vars, last = {}}
    if system then chat.messages[1] = {role = "system", content = system} end
    return setmetatable(chat, Chat)
end

-- Begins a turn; what is said (nil: nothing, go on) becomes a message of `role` ("user").
function Chat:ask(text, role)
    local n = #self.messages
    if text then self.messages[n + 1] = {role = role or "user", content = text} end
    self.last = {text = "", reasoning = "", tool_calls = {}}
    local ok, message, code =
        self.context:set_chat {messages = self.messages, tools = self.tools, vars = self.vars}
    if not ok then self.messages[n + 1] = nil return nil, message, code end
    return true
end

-- Works for about `budget_us` microseconds: "token", "pending" or "done", and text of the answer, or
-- nil. Reasoning and tool calls (as JSON) gather in `last`; a finished answer becomes a message.
function Chat:step(budget_us)
    local state, message, code = self.context:step(budget_us)
    if not state then return nil, message, code end
    if state == "pending" then return state end
    local last, shown = self.last, ""
    for kind, text in function() return self.context:event() end do
        if kind == "dropped" then goto next end
        if kind == "text" then shown = shown .. text end
        if kind == "tool_call" then last.tool_calls[#last.tool_calls + 1] = text end
        if kind ~= "tool_call" then last[kind] = last[kind] .. text end
        ::next::
    end
    if state == "done" then
        last.stop_reason = self.context:info "stop_reason"
        self.messages[#self.messages + 1] = {role = "assistant", content = last.text,
            reasoning_content = last.reasoning ~= "" and last.reasoning or nil,
            tool_calls = #last.tool_calls > 0 and tool_calls(last.tool_calls) or nil}
    end
    return state, shown ~= "" and shown or nil
end

-- Says something and iterates over the pieces of the answer; an error is raised.
function Chat:send(text, budget_us)
    local ok, message, code = self:ask(text)
    if not ok then error(("%s (%s)"):format(message, skald.status_name(code)), 2) end
    local done = false
    return function()
        while not done do
            local state, piece, code = self:step(budget_us)
            if not state then error(("%s (%s)"):format(piece, skald.status_name(code)), 2) end
            done = state == "done"
            if piece then return piece end
            if state == "pending" then return "" end
        end
    end
end

function Chat:close()
    self.context:close()
end

return skald
