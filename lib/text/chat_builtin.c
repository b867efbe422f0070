/* SPDX-License-Identifier: MIT */
/*
 * Templates by name, for models that bring none. They hold what the formats have in common with
 * the templates of their families: roles, turns and the prompt for the answer; where a family
 * writes tools and tool calls in a simple way, those too. Written for this library; the tests
 * compare what they render with what the families' own templates do.
 *
 * The rows stand in the order in which marks are looked for in a vocabulary.
 */
#include "base/portable.h"

#include "text/chat.h"

/* Tools as JSON lines between <tools> tags, and calls between <tool_call> tags. */
#define CHAT_HERMES_TOOLS_C \
    "{%- if tools %}{{ '# Tools\\n\\nYou may call one or more functions to assist with the user " \
    "query.\\n\\nYou are provided with function signatures within <tools></tools> XML " \
    "tags:\\n<tools>' }}{% for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}" \
    "{{ '\\n</tools>\\n\\nFor each function call, return a json object with function name and " \
    "arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\"name\": " \
    "<function-name>, \"arguments\": <args-json-object>}\\n</tool_call>' }}{% endif %}"
#define CHAT_HERMES_CALLS_C \
    "{%- for c in m.tool_calls or [] %}{% set f = c.function or c %}" \
    "{{ ('\\n' if m.content or not loop.first else '') + '<tool_call>\\n{\"name\": \"' + f.name " \
    "+ '\", \"arguments\": ' + (f.arguments if f.arguments is string else f.arguments | tojson) " \
    "+ " \
    "'}\\n</tool_call>' }}{% endfor %}"

/* ChatML with thinking and tools, as Qwen 3 has them. */
#define CHAT_QWEN_C \
    "{%- set system = messages[0].content if messages and messages[0].role == 'system' else '' %}" \
    "{%- if system or tools %}{{ '<|im_start|>system\\n' + system }}" \
    "{%- if system and tools %}{{ '\\n\\n' }}{% endif %}" CHAT_HERMES_TOOLS_C \
    "{{ '<|im_end|>\\n' }}{% endif %}" \
    "{%- set ns = namespace(query=-1) %}{% for m in messages %}" \
    "{%- if m.role == 'user' %}{% set ns.query = loop.index0 %}{% endif %}{% endfor %}" \
    "{%- for m in messages %}" \
    "{%- if m.role == 'tool' %}" \
    "{%- if loop.first or loop.previtem.role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}" \
    "{{ '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' }}" \
    "{%- if loop.last or loop.nextitem.role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}" \
    "{%- elif m.role == 'assistant' %}{{ '<|im_start|>assistant\\n' }}" \
    "{%- if loop.index0 > ns.query and (loop.last or m.reasoning_content) %}" \
    "{{ '<think>\\n' + (m.reasoning_content or '') | trim + '\\n</think>\\n\\n' }}{% endif %}" \
    "{{ m.content or '' }}" CHAT_HERMES_CALLS_C "{{ '<|im_end|>\\n' }}" \
    "{%- elif not (loop.first and m.role == 'system') %}" \
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}" \
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}" \
    "{%- if enable_thinking is defined and not enable_thinking %}" \
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"

/* A system message in front of the first question, where a format has no place for it. */
#define CHAT_MERGE_SYSTEM_C(behind) \
    "{%- set system = messages[0].content + '" behind "' if messages and " \
    "messages[0].role == 'system' else '' %}" \
    "{%- set turns = messages[1:] if system else messages %}"

#define CHAT_HARMONY_C \
    "{{ '<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\\n" \
    "Knowledge cutoff: 2024-06\\nCurrent date: ' + strftime_now('%Y-%m-%d') + '\\n\\nReasoning: " \
    "' " \
    "+ (reasoning_effort or 'medium') + '\\n\\n# Valid channels: analysis, commentary, final. " \
    "Channel must be included for every message.' }}{% if tools %}{{ '\\nCalls to these tools " \
    "must " \
    "go to the commentary channel: \\'functions\\'.' }}{% endif %}{{ '<|end|>' }}" \
    "{%- set system = messages[0].content if messages and messages[0].role in ['system', " \
    "'developer'] else '' %}" \
    "{%- if system or tools %}{{ '<|start|>developer<|message|>' }}" \
    "{%- if system %}{{ '# Instructions\\n\\n' + system + '\\n\\n' }}{% endif %}" \
    "{%- if tools %}{{ '# Tools\\n\\n## functions\\n\\nnamespace functions {\\n' }}" \
    "{%- for t in tools %}{{ '\\n// ' + t.function.description + '\\ntype ' + t.function.name + " \
    "' = (_: ' + (t.function.parameters | tojson) + ') => any;\\n' }}{% endfor %}" \
    "{{ '\\n} // namespace functions' }}{% endif %}{{ '<|end|>' }}{% endif %}" \
    "{%- for m in messages %}{% if m.role == 'assistant' and m.tool_calls %}" \
    "{%- if m.reasoning_content %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + " \
    "m.reasoning_content + '<|end|>' }}{% endif %}" \
    "{%- set f = m.tool_calls[0].function or m.tool_calls[0] %}" \
    "{{ '<|start|>assistant to=functions.' + f.name + '<|channel|>commentary json<|message|>' + " \
    "(f.arguments if f.arguments is string else f.arguments | tojson) + '<|call|>' }}" \
    "{%- elif m.role == 'assistant' %}{{ '<|start|>assistant<|channel|>final<|message|>' + " \
    "m.content + ('<|return|>' if loop.last and not add_generation_prompt else '<|end|>') }}" \
    "{%- elif m.role == 'tool' %}{{ '<|start|>functions.' + (m.name or 'tool') + " \
    "' to=assistant<|channel|>commentary<|message|>' + m.content + '<|end|>' }}" \
    "{%- elif m.role == 'user' %}{{ '<|start|>user<|message|>' + m.content + '<|end|>' }}" \
    "{%- endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}"

const sk_chat_builtin sk_chat_builtins[] = {
    {"chatml", "<|im_start|>",
     "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + (m.content or '') + "
     "'<|im_end|>\\n' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"},
    {"qwen", NULL, CHAT_QWEN_C},
    {"gpt-oss", "<|channel|>", CHAT_HARMONY_C},
    {"llama3", "<|start_header_id|>",
     "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
     "'<|end_header_id|>\\n\\n' + (m.content or '') | trim + '<|eot_id|>' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
     "{%- endif %}"},
    {"llama4", "<|header_start|>",
     "{{ bos_token }}{% for m in messages %}{{ '<|header_start|>' + m.role + "
     "'<|header_end|>\\n\\n' + (m.content or '') | trim + '<|eot|>' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|header_start|>assistant<|header_end|>\\n\\n' }}"
     "{%- endif %}"},
    {"gemma", "<start_of_turn>",
     CHAT_MERGE_SYSTEM_C("\\n\\n") "{{ bos_token }}{% for m in turns %}"
                                   "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else "
                                   "m.role) + '\\n' + "
                                   "(system if loop.first else '') + (m.content or '') | trim + "
                                   "'<end_of_turn>\\n' }}"
                                   "{%- endfor %}{% if add_generation_prompt %}{{ "
                                   "'<start_of_turn>model\\n' }}{% endif %}"},
    {"gemma4", "<|turn>",
     "{{ bos_token }}{% for m in messages %}"
     "{{ '<|turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + "
     "(m.content or '') | trim + '<turn|>\\n' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|turn>model\\n' }}"
     "{%- if not enable_thinking %}{{ '<|channel>thought\\n<channel|>' }}{% endif %}{% endif %}"},
    {"deepseek", "<\xEF\xBD\x9CUser\xEF\xBD\x9C>",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ '<\xEF\xBD\x9CUser\xEF\xBD\x9C>' + m.content }}{% elif m.role == 'assistant' %}"
     "{{ '<\xEF\xBD\x9C"
     "Assistant\xEF\xBD\x9C><think></think>' + (m.content or '') + "
     "'<\xEF\xBD\x9C"
     "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>' }}"
     "{%- else %}{{ m.content }}{% endif %}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<\xEF\xBD\x9C"
     "Assistant\xEF\xBD\x9C>' + "
     "('<think>' if thinking else '<think></think>') }}{% endif %}"},
    {"deepseek-r1", NULL,
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ '<\xEF\xBD\x9CUser\xEF\xBD\x9C>' + m.content }}{% elif m.role == 'assistant' %}"
     "{{ '<\xEF\xBD\x9C"
     "Assistant\xEF\xBD\x9C>' + (m.content or '').split('</think>')[-1] + "
     "'<\xEF\xBD\x9C"
     "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>' }}"
     "{%- else %}{{ m.content }}{% endif %}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<\xEF\xBD\x9C"
     "Assistant\xEF\xBD\x9C><think>\\n' }}"
     "{%- endif %}"},
    {"mistral", "[SYSTEM_PROMPT]",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ '[INST]' + m.content + '[/INST]' }}{% elif m.role == 'system' %}"
     "{{ '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' }}{% elif m.role == 'assistant' %}"
     "{{ (m.content or '') + eos_token }}{% endif %}{% endfor %}"},
    {"mistral-v3", "[TOOL_CALLS]",
     CHAT_MERGE_SYSTEM_C("\\n\\n") "{{ bos_token }}{% for m in turns %}{% if m.role == 'user' %}"
                                   "{{ '[INST]' + (system if loop.last or loop.index0 == turns | "
                                   "length - 1 else '') + "
                                   "m.content + '[/INST]' }}{% else %}{{ (m.content or '') + "
                                   "eos_token }}{% endif %}"
                                   "{%- endfor %}"},
    {"glm4", "[gMASK]",
     "{{ '[gMASK]<sop>' }}{% for m in messages %}{{ '<|' + m.role + '|>\\n' + "
     "('<think></think>\\n' if m.role == 'assistant' else '') + (m.content or '') }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|assistant|>' }}"
     "{%- if enable_thinking is defined and not enable_thinking %}{{ '\\n<think></think>' }}"
     "{%- endif %}{% endif %}"},
    {"kimi", "<|im_middle|>",
     "{%- for m in messages %}{{ '<|im_' + (m.role if m.role in ['user', 'assistant'] else "
     "'system') + '|>' + m.role + '<|im_middle|>' + (m.content or '') + '<|im_end|>' }}"
     "{%- endfor %}{% if add_generation_prompt %}"
     "{{ '<|im_assistant|>assistant<|im_middle|>' }}{% endif %}"},
    {"minimax", "]~b]",
     "{{ ']~!b[' }}{% if not messages or messages[0].role != 'system' %}"
     "{{ ']~b]system\\nYou are a helpful assistant.[e~[\\n' }}{% endif %}{% for m in messages %}"
     "{{ ']~b]' + ('ai' if m.role == 'assistant' else m.role) + '\\n' + (m.content or '') + "
     "'[e~[\\n' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ ']~b]ai\\n<think>\\n' }}{% endif %}"},
    {"granite", "<|start_of_role|>",
     "{%- for m in messages %}{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + "
     "(m.content or '') + '<|end_of_text|>\\n' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}"
     "{%- endif %}"},
    {"command-r", "<|START_OF_TURN_TOKEN|>",
     "{{ bos_token }}{% for m in messages %}{{ '<|START_OF_TURN_TOKEN|>' + "
     "{'user': '<|USER_TOKEN|>', 'assistant': '<|CHATBOT_TOKEN|>'}.get(m.role, "
     "'<|SYSTEM_TOKEN|>') + (m.content or '') | trim + '<|END_OF_TURN_TOKEN|>' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}"
     "{%- endif %}"},
    {"seed-oss", "<seed:bos>",
     "{%- for m in messages %}{{ '<seed:bos>' + m.role + '\\n' + (m.content or '') + "
     "'<seed:eos>' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<seed:bos>assistant\\n' }}{% endif %}"},
    {"phi4", "<|im_sep|>",
     "{%- for m in messages %}{{ '<|im_start|>' + m.role + '<|im_sep|>' + (m.content or '') + "
     "'<|im_end|>' }}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"},
    {"phi3", "<|end|>",
     "{%- for m in messages %}{{ '<|' + m.role + '|>\\n' + (m.content or '') + '<|end|>\\n' }}"
     "{%- endfor %}"
     "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"},
    {"llama2", "[INST]",
     CHAT_MERGE_SYSTEM_C(
         "") "{%- for m in turns %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + "
             "('<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' if system and loop.first else '') + "
             "m.content | trim + ' [/INST]' }}{% else %}{{ ' ' + (m.content or '') | trim + ' ' + "
             "eos_token }}{% endif %}{% endfor %}"},
    {"zephyr", NULL,
     "{%- for m in messages %}{{ '<|' + m.role + '|>\\n' + (m.content or '') + eos_token + '\\n' "
     "}}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"},
    {"vicuna", NULL,
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ 'USER: ' + m.content + '\\n' }}{% elif m.role == 'assistant' %}"
     "{{ 'ASSISTANT: ' + (m.content or '') + eos_token + '\\n' }}{% else %}"
     "{{ m.content + '\\n\\n' }}{% endif %}{% endfor %}"
     "{%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"},
    {"alpaca", NULL,
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ '### Instruction:\\n' + m.content + '\\n\\n' }}{% elif m.role == 'assistant' %}"
     "{{ '### Response:\\n' + (m.content or '') + '\\n\\n' }}{% else %}"
     "{{ m.content + '\\n\\n' }}{% endif %}{% endfor %}"
     "{%- if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"},
    {NULL, NULL, NULL},
};

#undef CHAT_HERMES_TOOLS_C
#undef CHAT_HERMES_CALLS_C
#undef CHAT_QWEN_C
#undef CHAT_MERGE_SYSTEM_C
#undef CHAT_HARMONY_C
