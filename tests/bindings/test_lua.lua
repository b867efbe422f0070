-- SPDX-License-Identifier: MIT
--
-- The Lua binding on a small random model, and on a trained one when ../shared has it.
-- Run as: luajit test_lua.lua MODEL, with LUA_PATH and SKALD_LIBRARY set.

local path = assert(arg[1], "usage: test_lua.lua MODEL")
local skald = require "skald"
local checks, failures = 0, 0

local function check(condition, what)
    checks = checks + 1
    if not condition then
        failures = failures + 1
        io.stderr:write(("%s:%d: %s\n"):format("test_lua.lua", debug.getinfo(2, "l").currentline,
                                               what or "does not hold"))
    end
end

-- Options
local keys = {}
for _, option in ipairs(skald.options()) do keys[option.key] = option end
check(keys.n_ctx.type == "int" and keys.temperature.type == "float" and #keys.seed.help > 0)
check(skald.version():match "^%d+%.%d+%.%d+$")

-- Errors are nil, a sentence and a code
local model, message, code = skald.load "/no/such/file.gguf"
check(model == nil and message:find("/no/such/file.gguf", 1, true) and code == skald.E_NOT_FOUND, message)
model, message, code = skald.load(path, {n_thread = 2})
check(model == nil and message:find "threads" and code == skald.E_OPTION, message)
model, message, code = skald.load(path, {n_threads = 1.5})
check(model == nil and code == skald.E_OPTION, message)
model, message, code = skald.load(path, {max_memory = 4000})
check(model == nil and code == skald.E_MEMORY, message)
model, message, code = skald.load(arg[0])
check(model == nil and code == skald.E_NOT_MODEL, message)
check(skald.status_name(skald.E_MEMORY) == "SKALD_E_MEMORY")

-- Loading in slices
model = assert(skald.open(path, {n_threads = 2}))
local state, slices = "pending", 0
while state == "pending" do
    state, message = model:step(0)
    slices = slices + 1
end
check(state == "done" and slices >= 1, message)

-- What a model is
check(model:info "architecture" == "llama")
check(model:info "n_vocab" == 304)
check(model:info "progress" == 1)
check(select(3, model:info "no_such_key") == skald.E_NOT_FOUND)
check(model:metadata "llama.block_count" == 1)
check(model:metadata "general.name" == "random llama")
check(#model:metadata() == model:info "n_metadata")
check(select(3, model:metadata "no.such.key") == skald.E_NOT_FOUND)

-- Tokens
for _, text in ipairs {"Once upon a time", "", "caf\195\169 \226\130\172", "a\0b", ("x"):rep(5000)} do
    local ids = assert(model:tokenize(text))
    check(model:detokenize(ids):gsub("^ ", "") == text, text)
end
check(model:tokenize("a", skald.ADD_SPECIAL)[1] == 1)
check(select(3, model:detokenize {1000000}) == skald.E_ARGUMENT)

-- Contexts
local options = {n_ctx = 64, n_predict = 6, temperature = 0, ignore_eos = true, stop = {"zzz", "qqq"}}
local context = assert(model:context(options))
check(context:append "Once upon a time")
local text = assert(context:generate())
check(context:info "stop_reason" == "length")
check(context:info "n_generated" == 6)
check(context:info "temperature" == 0)

local sliced = assert(model:context(options))
check(sliced:append(model:tokenize("Once upon a time", skald.ADD_SPECIAL)))
local pieces, yields = {}, 0
local routine = coroutine.wrap(function()
    for piece in sliced:chunks(0) do
        pieces[#pieces + 1] = piece
        coroutine.yield(true)
    end
end)
while routine() do yields = yields + 1 end
check(table.concat(pieces) == text, table.concat(pieces) .. " ~= " .. text)
check(yields >= 6)

local guessing = assert(model:context {n_ctx = 64, n_predict = 6, temperature = 0, ignore_eos = true,
                                       draft = "model", draft_model = model, draft_p_min = 0})
check(guessing:append "Once upon a time" and guessing:generate() == text)
check(guessing:info "n_accepted" > 0)

local tokens = context:tokens()
check(#tokens == #sliced:tokens() and tokens[1] == 1)
check(context:truncate(#tokens - 6) and context:set {n_predict = 6})
check(context:generate() == text)
check(context:set_prompt(tokens) and context:info "n_reused" == #tokens - 1)
check(context:truncate(#tokens - 6) and context:generate() == text)
check(context:truncate(#tokens - 6))
local state = assert(context:save())
context:generate()
check(context:load(state) and #context:tokens() == #tokens - 6)
check(select(3, context:load(state:sub(1, -2))) == skald.E_TRUNCATED)

-- Adapters
local lora = assert(model:adapter(arg[2]))
check(lora:info "n_matrices" == 3 and lora:info "max_rank" == 4)
check(select(3, lora:info "colour") == skald.E_NOT_FOUND)
check(select(3, model:adapter "/no/such/file.gguf") == skald.E_NOT_FOUND)
check(select(2, model:adapter(arg[1])):find("wanted adapter", 1, true))
local worn = assert(context:fork())
check(worn:set_adapters {lora} and worn:info "n_adapters" == 1 and worn:info "n_evaluated" == 0)
local changed = assert(worn:generate())
check(changed ~= text)
check(select(3, worn:set_adapters({lora}, {1 / 0})) == skald.E_ARGUMENT)
check(worn:truncate(#tokens - 6) and worn:set_adapters({lora}, {0}) and worn:generate() == text)
lora:close()
worn:close()

local fork = assert(context:fork())
check(fork:generate() == text and #context:tokens() == #tokens - 6)
fork:close()
check(context:generate() == text)
check(select(3, context:truncate(1000)) == skald.E_ARGUMENT)
check(select(3, context:append {1000000}) == skald.E_ARGUMENT)
check(select(3, context:append(("x "):rep(500))) == skald.E_CONTEXT_FULL)
check(select(3, context:set {n_ctx = 5}) == skald.E_OPTION)

-- Chat
check(skald.json {a = {1, "x\n\"", true}, b = 1.5} == [[{"a":[1,"x\n\"",true],"b":1.5}]])
local talk = assert(model:chat {system = "Be brief.", n_predict = 6, temperature = 0, n_ctx = 200,
                                ignore_eos = true, chat_template = "chatml"})
local said = {}
for piece in talk:send "Hello" do said[#said + 1] = piece end
check(table.concat(said) == talk.last.text and talk.last.stop_reason == "length")
check(#talk.messages == 3 and talk.messages[3].role == "assistant")
for _ in talk:send("More", 100) do end
check(#talk.messages == 5 and talk.context:info "n_reused" > 10)
talk.messages[6] = {content = "no role"}
check(select(3, talk:ask "x") == skald.E_ARGUMENT and #talk.messages == 6)
talk:close()

context:cancel()
context:set {n_predict = 1}
check(select(3, context:step(-1)) == skald.E_CANCELLED)
check(context:step(-1) == "token")

-- Vectors
local embedder = assert(model:context {n_ctx = 64, pooling = "mean"})
check(embedder:embedding() == nil)
check(embedder:set_prompt "Some text" and embedder:step(-1) == "done")
local vector, square = assert(embedder:embedding()), 0
for i = 1, #vector do square = square + vector[i] ^ 2 end
check(#vector == model:info "n_vector" and math.abs(square - 1) < 1e-5)
check(embedder:set_pair("Some", "text") and embedder:step(-1) == "done")
embedder:close()

-- Closing
context:close()
context:close()
local ok, why = pcall(context.step, context)
check(not ok and why:find "closed", why)
model:close()
check(sliced:truncate(3) and sliced:set {n_predict = 2} and sliced:generate(), "outlives the handle")
sliced = nil
collectgarbage()
for _ = 1, 20 do
    local again = assert(skald.load(path))
    assert(again:context {n_ctx = 64}):append "a"
end
collectgarbage()

-- The trained model: the reference's text
local shared = (os.getenv "SKALD_SHARED" or "../shared") .. "/models/stories260K.gguf"
local file = io.open(shared, "rb")
if file then
    file:close()
    local stories = assert(skald.load(shared))
    local teller = assert(stories:context {temperature = 0, n_predict = 24, n_ctx = 128})
    assert(teller:append "Once upon a time")
    local told = assert(teller:generate())
    check(told:find(", there was a little girl named Lily", 1, true), told)
else
    print "skipped: the shared test files are not here"
end

print(("%d checks, %d failed"):format(checks, failures))
os.exit(failures == 0 and 0 or 1)
