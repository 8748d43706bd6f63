#!/usr/bin/env python3
"""Write tests/fixtures/chat/ponder-plain.json: what jinja2 makes of nano_template.

The template is read out of src/reason/render_nano.c and stands in the fixture, so
that the test notices when one of them changes alone. Needs jinja2.
"""
import json
import re

from jinja2 import Environment

SOURCE = "src/reason/render_nano.c"
FIXTURE = "tests/fixtures/chat/ponder-plain.json"


def template():
    text = open(SOURCE, encoding="utf-8").read()
    body = text[text.index("nano_template[] ="):]
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', body[:body.index(";\n")]))


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


SHAPES = [
    ([user("3+4?")], True),
    ([user("")], True),
    ([user(" Sol x?\n\n")], True),
    ([user("3+4?"), assistant("7"), user("And 5 more?\n")], True),
    ([user("a"), assistant("b"), user("c"), assistant(" d "), user("\u00e9\u6570")], True),
    ([assistant("Ask me."), user("3+4?")], True),
    ([user("3+4?"), user("or 5?")], True),
    ([user("3+4?"), assistant("7")], False),
    ([user("3+4?")], False),
]


def main():
    source = template()
    jinja = Environment(keep_trailing_newline=True).from_string(source)
    cases = []
    for messages, generate in SHAPES:
        for effort in ["none", "minimal", "low", "medium", "high", "xhigh"]:
            # The words that clients of the template know; the rest are ours.
            word = {"minimal": "low", "xhigh": "high"}.get(effort, effort)
            expect = jinja.render(messages=messages, add_generation_prompt=generate,
                                  enable_thinking=effort != "none", reasoning_effort=word)
            cases.append({"chat": {"messages": messages}, "generate": generate,
                          "effort": effort, "expect": expect})
    with open(FIXTURE, "w", encoding="utf-8") as out:
        json.dump({"template": source, "cases": cases}, out, indent=1)
        out.write("\n")


main()
