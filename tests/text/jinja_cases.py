# SPDX-License-Identifier: MIT
"""Writes jinja.json: our own templates, with what Jinja2 makes of them in the field's settings (an
immutable sandbox, trim_blocks, lstrip_blocks, loop controls). Needs jinja2; the tests do not.

Run as: jinja_cases.py > jinja.json
"""

import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
PEOPLE = [{"name": "Zoe", "age": 31, "tags": ["a"]}, {"name": "adam", "age": 25},
          {"name": "Bob", "age": 31, "at": {"x": 3}}]
V = {"people": PEOPLE, "n": 5, "s": "Hello, wörld", "d": {"b": 2, "a": 1, "C": None},
     "flag": True, "nothing": None, "nested": {"items": [1, 2], "q": {"r": ["x", "y"]}},
     "text": "  two words\n second line \n", "empty": "", "f": 1.5, "l": [3, 1, 2],
     "tree": [{"n": "a", "c": [{"n": "b"}, {"n": "c", "c": [{"n": "d", "c": []}]}]}, {"n": "e"}]}

CASES = r"""
plain
{{ n }}|{{ f }}|{{ s }}|{{ flag }}|{{ nothing }}|{{ missing }}|{{ l }}|{{ d }}
{{ 1e16 }} {{ 1e15 }} {{ 123456789.125 }} {{ 0.1 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1.0 }} {{ 2.5e-7 }} {{ 1e100 }}
{{ 'it''s' }}|{{ ['it\'s', "say \"x\"", 'both \' "'] }}
{{ ['tab\t', 'nl\n', '\\', 'é', '\x01'] }}
{{ 'a\tb\\n\'\x41\u00e9\101' }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 1 ~ 2 ~ 'x' ~ none ~ true ~ missing ~ 1.5 }}
{{ 'a' * 3 }} {{ [1] * 3 }} {{ [1] + [2, 3] }} {{ (1, 2) + (3,) }} {{ (1,) }} {{ () }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ true == 1 }}
{{ 'ell' in s }} {{ 'x' not in s }} {{ 3 in l }} {{ 'b' in d }} {{ 'z' in missing }} {{ not 3 in l }}
{{ true and 'x' }} {{ '' or 'y' }} {{ not true }} {{ not not 1 }} {{ 0 and 1 or 2 }}
{{ 'yes' if flag else 'no' }} {{ 'a' if false }} {{ 'a' if 0 else 'b' if 0 else 'c' }}
{{ ('x' if n > 3 else 'y') ~ 'z' }} {{ [1 if flag else 2, 3] }}
{{ n if n if flag else 0 }}
{{ -n }} {{ +n }} {{ --n }} {{ -n|abs }} {{ - 2 ** 2 }} {{ 2 ** 3 ** 2 }}
{{ people[0].name }} {{ people[-1]['age'] }} {{ people.1.name }} {{ nested.q.r.0 }} {{ nested['items'][1] }}
{{ l[0] }} {{ l[-1] }} {{ l[9] }} {{ s[0] }} {{ s[-1] }} {{ s[8] }}
{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ s[1:5] }} {{ s[::-1] }} {{ s[-3:] }} {{ l[5:] }} {{ l[-9:2] }} {{ s[8:3:-2] }}
{{ l[:2][0] }} {{ (1, 2, 3)[1:] }} {{ range(10)[2:5]|list }}
{{ 'a' 'b' "c" }}
{{ {'a': 1, 2: 'x', 'n': {'q': none}} }} {{ {'a': 1}['a'] }} {{ {} }} {{ {'a': 1, 'a': 2} }}
{% if n > 3 %}big{% elif n > 1 %}mid{% else %}small{% endif %}
{% if missing %}a{% elif nothing %}b{% elif l %}c{% endif %}
{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in [] %}a{% else %}none{% endfor %}{% for x in missing %}a{% else %}none{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}
{% for x in l %}[{{ loop.previtem }}<{{ x }}<{{ loop.nextitem }}]{% endfor %}
{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% for y in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.index }}/{{ loop.length }} {% else %}none{% endfor %}
{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}no{% endfor %}!
{% for x in range(3) %}{% for y in range(3) %}{% if y > x %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{% for x in tree recursive %}{{ x.n }}{% if x.c %}({{ loop(x.c) }}){% endif %}{{ loop.depth }}{{ loop.index }},{% endfor %}
{% for x in tree if x.n != 'b' recursive %}<{{ x.n }}{{ loop(x.c or []) }}>{% else %}-{% endfor %}
{% macro m() %}{% for y in [1, 2] recursive %}{{ y }}{% endfor %}{% endmacro %}{% for x in tree recursive %}{{ m() }}{{ loop(x.c) if x.c }}{{ loop.depth0 }}{% endfor %}
{% for x in l %}{{ loop(l) }}{% endfor %}
{% for x in tree recursive %}{{ loop() }}{% endfor %}
{% for x in tree recursive %}{{ loop(x) }}{% endfor %}
{% for x in tree recursive %}{% for y in l %}{{ y }}{% if y == 1 %}{% break %}{% endif %}{% endfor %}{{ loop(x.c)|upper if x.c }}{% endfor %}
{% for c in 'aé中' %}<{{ c }}>{% endfor %}
{% for i in range(5, 0, -2) %}{{ i }}{% endfor %} {{ range(3)|list }} {{ range(2, 4)|list }} {{ range(0)|length }}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
{% for p in people if p.age == 31 and p.at is not defined %}{{ p.name }}{% endfor %}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }} {% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d2) = [3, 4] %}{{ c }}{{ d2 }}{% set t = 1, 2 %}{{ t }}
{% set ns = namespace(a=1, b='x') %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}
{% set ns = namespace({'q': 1}, w=2) %}{{ ns.q }}{{ ns.w }}{{ ns['w'] }}{{ ns.q is defined }}{{ ns.z is defined }}
{% set x %}a {{ n }} b{% endset %}[{{ x }}]{% set y | upper | trim %} q {% endset %}[{{ y }}]
{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b') | trim %} aaa {% endfilter %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}
{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='z') }}{{ m() }}{{ m(b=1, a=0) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro m(a) %}{{ a }}{{ n }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}{{ m(*[7, 8], **{'k': 1}) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro fact(k) %}{% if k <= 1 %}1{% else %}{{ k * fact(k - 1)|int }}{% endif %}{% endmacro %}{{ fact(10) }}
{% macro m() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ m() }}
{% macro m() %}{% set later = 6 %}{{ later }}{% endmacro %}{{ m() }}{{ later }}
{% macro m(x) %}<{{ x }}>{{ caller() }}</{{ x }}>{% endmacro %}{% call m('b') %}in {{ n }}{% endcall %}
{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(a, b) each(l) %}({{ a }}{{ b }}){% endcall %}
{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m is callable }}
{% macro o() %}{% macro i() %}in{% endmacro %}[{{ i() }}]{% endmacro %}{{ o() }}{{ o()|upper }}{{ o() + 'x' }}
{{ s.upper() }}{{ s.lower() }}{{ 'ab cd-ef'.title() }}{{ 'ABC dEF'.capitalize() }}{{ 'ÀÉñ'.lower() }}{{ 'àéñжω'.upper() }}
[{{ text.strip() }}][{{ text.lstrip() }}][{{ text.rstrip() }}][{{ 'xxaxx'.strip('x') }}][{{ 'abcba'.lstrip('ab') }}][{{ 'abc\n\n'.rstrip('\n') }}]
{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a b c'.rsplit(' ', 1) }}{{ ''.split(',') }}{{ ''.split() }}{{ 'a b c d'.split(none, 2) }}{{ 'abc'.split('</think>')[-1] }}
{{ 'a\nb\r\nc\n'.splitlines() }}
{{ 'aXbX'.replace('X', '-') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'ab'.replace('', '-') }}{{ 'é'.replace('', '.') }}
{{ s.startswith('Hell') }}{{ s.endswith('ld') }}{{ s.startswith(('x', 'H')) }}{{ ''.startswith('') }}
{{ s.find('w') }}{{ s.find('zz') }}{{ 'banana'.count('an') }}{{ s.index('r') }}{{ '-'.join(['a', 'b']) }}
{{ '{} and {}'.format(1, 'x') }}{{ '{0}{1}{0}'.format('a', 'b') }}{{ '{k}{{}}'.format(k=3) }}
{{ 'abc'.isalpha() }}{{ '12'.isdigit() }}{{ 'a1'.isalnum() }}{{ ' '.isspace() }}{{ 'AB1'.isupper() }}{{ ''.isdigit() }}{{ '12'.islower() }}
{{ 'abc'.removeprefix('a') }}{{ 'abc'.removesuffix('bc') }}
{{ d.get('a') }}{{ d.get('z') }}{{ d.get('z', 9) }}{{ d.keys()|list }}{{ d.values()|list }}{{ d.items()|list }}
{{ nested.items }}{{ 'x' if nested.items is callable }}
{{ nested['items'] }}{{ d.missing is defined }}{{ d['a'] is defined }}{{ d.C is none }}{{ d.C is defined }}
{{ l.count(1) }}{{ l.index(2) }}
{{ l.append(4) }}
{{ d.update({'z': 1}) }}
{{ d.pop('a') }}
{{ s|upper }}{{ s|lower }}{{ s|title }}{{ s|capitalize }}{{ s|length }}{{ l|length }}{{ d|count }}{{ missing|length }}{{ none|upper }}{{ 12|length }}
{{ none|upper }}{{ 3|string ~ 'x' }}{{ missing|trim }}|{{ text|trim }}|{{ '--a-'|trim('-') }}
{{ missing|default('x') }}{{ ''|default('x') }}{{ ''|default('x', true) }}{{ none|default('x') }}{{ missing|d }}{{ missing|default(d.a) }}{{ 0|default(1, boolean=true) }}
{{ people|map(attribute='name')|list }}{{ people|map(attribute='at.x')|list }}{{ people|map(attribute='at.x', default='?')|join(',') }}{{ ['a', 'b']|map('upper')|join }}
{{ people|map(attribute='at.x', default='?')|join(',') }}{{ ['a', 'b']|map('upper')|join }}{{ [' x ']|map('trim')|list }}{{ [1.5, 2]|map('int')|list }}
{{ ['ab', 'cb']|map('replace', 'b', 'x')|join('+') }}
{{ people|selectattr('at')|map(attribute='name')|list }}{{ people|selectattr('age', 'equalto', 31)|list|length }}{{ people|rejectattr('tags', 'defined')|map(attribute='name')|join(' ') }}{{ people|selectattr('age', '>', 30)|list|length }}{{ people|selectattr('at.x', 'eq', 3)|list|length }}
{{ l|select('odd')|list }}{{ l|reject('odd')|list }}{{ l|select('gt', 1)|list }}{{ [0, 1, '']|select|list }}{{ ['a', 1]|select('string')|list }}{{ l|select('in', [1, 2])|list }}
{{ l|sort }}{{ l|sort(reverse=true) }}{{ ['b', 'A', 'c']|sort }}{{ ['b', 'A', 'c']|sort(case_sensitive=true) }}{{ people|sort(attribute='age')|map(attribute='name')|list }}{{ people|sort(true, attribute='age')|map(attribute='name')|list }}
{{ people|sort(attribute='name')|map(attribute='name')|join(',') }}
{{ d|dictsort }}{{ {'x': 3, 'y': 1}|dictsort(by='value') }}{{ d|dictsort(true) }}{{ d|dictsort(reverse=true) }}
{{ [1, 2, 1, 'a', 'A']|unique|list }}{{ l|reverse|list }}{{ 'abc'|reverse }}{{ l|sum }}{{ people|sum(attribute='age') }}{{ l|min }}{{ l|max }}{{ l|first }}{{ l|last }}{{ []|first }}
{{ l|join(', ') }}{{ people|join('/', attribute='name') }}{{ 'abc'|join('-') }}{{ d|join }}{{ [1, none, 'x', 2.5]|join('|') }}
{{ l|batch(2)|list }}{{ l|batch(2, 'z')|list }}{{ 'abc'|list }}{{ d|list }}{{ d|items|list }}
{{ '3'|int + 1 }}{{ 'x'|int }}{{ 'x'|int(-1) }}{{ 3.9|int }}{{ '3.7'|int }}{{ true|int }}{{ '1.5'|float }}{{ 'x'|float }}{{ 2|float }}{{ -3|abs }}{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 2.1|round(method='ceil') }}{{ 2.9|round(0, 'floor')|int }}{{ 3.5|round }}
{{ '<a&"\'>'|e }}{{ '<b>'|escape|safe }}
{{ text|indent }}|{{ text|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ') }}
{{ d|tojson }}{{ people|tojson }}{{ s|tojson }}{{ f|tojson }}{{ none|tojson }}{{ true|tojson }}{{ '</a>\'"\\\n\x01'|tojson }}{{ (1, 2)|tojson }}{{ []|tojson }}{{ {}|tojson }}
{{ people|tojson(indent=2) }}{{ [[], {}, [1]]|tojson(indent=4) }}{{ 'é🙂'|tojson(ensure_ascii=true) }}{{ d|tojson(sort_keys=true) }}{{ d|tojson(separators=(',', ':')) }}{{ l|tojson(indent=0) }}
{{ missing|tojson }}
{{ people|map(attribute='age')|tojson }}
{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}
{{ n is odd }}{{ n is even }}{{ n is divisibleby 5 }}{{ n is divisibleby(2) }}{{ n is number }}{{ f is float }}{{ n is integer }}{{ true is integer }}{{ true is number }}{{ s is string }}{{ d is mapping }}{{ l is iterable }}{{ l is sequence }}{{ d is sequence }}{{ s is iterable }}{{ n is iterable }}{{ none is none }}{{ nothing is not none }}{{ true is boolean }}{{ 1 is true }}{{ true is true }}{{ false is false }}
{{ missing is defined }}{{ missing is undefined }}{{ n is defined }}{{ d.zz is defined }}{{ nothing is defined }}{{ n is eq 5 }}{{ n is ne(5) }}{{ n is gt 4 and n is lt 6 }}{{ n is in [5] }}{{ n is sameas n }}{{ 'abc' is lower }}{{ 'ABC' is upper }}{{ 'upper' is filter }}{{ 'odd' is test }}{{ range is callable }}{{ n is ge 5 }}{{ n is le 4 }}
{{ not missing is defined }}{{ n is not odd }}{{ n is odd and not false }}{{ 'x' if n is odd else 'y' }}
{{ missing.x }}
{{ missing.x.y }}
{{ d.zz.y }}
{{ none.x }}|{{ none['x'] is defined }}
{{ none.x.y }}
{{ people[0].zz.y }}
{{ missing + 'x' }}
{{ 'x' + 1 }}
{{ 1 + 'x' }}
{{ 'x' + missing }}
{{ [1] + 'x' }}
{{ n.x.y }}
{{ missing() }}
{{ raise_exception('my own error') }}
{{ false and raise_exception('no') }}{{ true or raise_exception('no') }}
{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y %H:%M:%S') }} {{ strftime_now('%A, %B %d, %Y %I:%M %p %j %y %%') }} {{ strftime_now('%-d %-m') }}
{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}{{ dict([('k', 1)]) }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}
{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}c
a {{- ' b ' -}} c
a   {%- if true -%}   b   {%- endif -%}   c
a\n  {% if true %}\nb\n  {% endif %}\nc\n
a\n  {%+ if true %}\nb{%+ endif %}\nc\n\n
  {# comment #}\nx {# c #} y\n{#- c -#}\n z
a\n{{ n }}\nb\n
{% for x in l %}\n{{ x }}\n{% endfor %}\nend
  {% set x = 1 %}  {{ x }}\n\t{% if 1 %}y{% endif %}  z
{% if 1 +%}\nx{% endif %}\ny{% if 1 %}\n\nz{% endif %}
{% raw %}{{ x }} {% if %} {# #}{% endraw %}|{%- raw -%}  a  {%- endraw -%}  b
  {% raw %}  a\n  {% endraw %}\nb
{{ '}}' }}{{ "%}" }}{% if '%}' %}x{% endif %}{{ {'a': {'b': 1}}['a']['b'] }}
{{{'a': 1}}}
line one\r\nline two\rline three\r\n
x\n
x\n\n
{{ n }}\n
{{ [1, 2, 3][n - 3] }}{{ (l|sort)[0] }}{{ l|sort|first }}{{ (s|upper)[:2] }}{{ s|upper|lower|length + 1 }}
{{ 1 if n else 2 + 3 }}{{ (1 if n else 2) + 3 }}{{ not n == 5 }}{{ n == 5 and l }}
{{ l | map('string') | join('') | int + 1 }}
{{ "%s" ~ 'x' | upper }}{{ ('a' ~ 'b') | upper }}{{ 'a' + 'b' | upper }}
{{ people | map(attribute='age') | map('string') | join(',') }}
{{ [missing, 1] }}{{ [missing]|length }}
{% set messages = [{'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': 'yo', 'tool_calls': [{'function': {'name': 'f', 'arguments': {'x': 1}}}]}] %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.tool_calls %}{% for t in m.tool_calls %}{{ t.function.name }}({{ t.function.arguments|tojson }}){% endfor %}{% endif %}{% endfor %}
{% set loop_messages = people[1:] %}{% for m in loop_messages[::-1] %}{{ m['name'] }}{{ loop.index0 }}{% endfor %}{{ loop is defined }}
{% for x in l %}{% set outer = loop %}{% for y in l %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in l %}{% set q %}{{ x }}{% if x == 1 %}!{% endif %}{% endset %}{{ q }}{% endfor %}
{{ l is defined and l|length > 2 and l[0] == 3 }}{{ 'a' in ['a', 'b'] and 'c' not in 'ab' }}
{{ 'x' is string and 5 is not string }}{{ (d.a or 5) + (d.C or 7) }}
{{ d == {'a': 1, 'b': 2, 'C': none} }}{{ l == [3, 1, 2] }}{{ (1, 2) == [1, 2] }}{{ 'a' == 1 }}{{ none == false }}{{ missing == other }}
{{ "é" < "z" }}{{ 'Z' < 'a' }}{{ 'a' > 'B' }}{{ 2 > 1.5 }}{{ 1 != '1' }}
{{ 1_000 + 0 }}{{ 'tr\'ick"y' }}{{ "dq'" }}{{ '\\d' }}{{ '\d' }}
{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}{{ False }}
{% do l %}
{% unknown %}
{{ n.real }}
{{ lipsum }}
{{ self }}
{% for x in n %}{% endfor %}
{% for a, b in [1, 2] %}{% endfor %}
{{ l[1:'x'] }}
{{ 1 // 0 }}
{{ 'a' < 1 }}
{{ 'x' in 5 }}
{{ 1 in 'x' }}
{{ -'x' }}
{{ s.nothing }}{{ l.nothing }}{{ s.nothing is defined }}
{{ s.nothing() }}
{{ d|dictsort|map('first')|list }}{{ d|dictsort|map('last')|list }}
{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}{% for k, v in d|items %}{{ k }}{% endfor %}
{{ '%05d' }}{{ '100%' }}{# a {{ b }} {% c %} #}
{% if true %}a{%- endif %} b {%- if true -%} c{% endif -%} d
{{ '' if not people else people[0]['tags'][0] }}{{ people[0]['tags']|tojson if people[0].tags is defined }}
{%- set sep = '\n' -%}{{ sep }}{{ 'x\ny' }}{{ ['a\nb'] }}
{{ 9007199254740993 }}{{ 1e3|int }}{{ 10 / 5 }}{{ 3 * 1.0 }}{{ 5.0 // 2 }}{{ -0.0 }}{{ 1 / 3 }}
"""


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["strftime_now"] = NOW.strftime

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)
    env.globals["raise_exception"] = raise_exception
    return env


# What is different on purpose, or not worth being the same: `do`, attributes of numbers, globals
# that are no part of chats, and texts of objects.
DIFFERENT = ("{% do ", "{{ n.real", "{{ lipsum", "{{ self", "{{ m }}", "{{ c.current", "{{ nested.items }}", "c.reset()")


def main():
    out = []
    for line in CASES.strip("\n").split("\n"):
        template = line
        for mark, end in (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t")):
            parts = template.split("{{")
            # Only the text outside of print tags has its escapes made real.
            template = "{{".join([parts[0].replace(mark, end)] + [
                p[:p.find("}}")] + p[p.find("}}"):].replace(mark, end) if "}}" in p else p
                for p in parts[1:]])
        if any(d in template for d in DIFFERENT):
            continue
        case = {"template": template, "vars": V}
        try:
            case["expect"] = environment().from_string(template).render(**V)
        except Exception as error:  # whatever Jinja2 or the template raises
            case["error"] = str(error).split("\n")[0] if "UndefinedError" in repr(type(error)) or "my own" in str(error) else ""
        out.append(case)
    used = [{"template": c["template"],
             "vars": {k: v for k, v in V.items() if k in c["template"]},
             **{k: c[k] for k in ("expect", "error") if k in c}} for c in out]
    sys.stdout.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in used) + "\n]\n")


if __name__ == "__main__":
    main()
