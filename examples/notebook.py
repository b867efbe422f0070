# SPDX-License-Identifier: MIT
"""A notebook's cells, as a script: load, look, complete, change one's mind, go on.

    PYTHONPATH=bindings/python SKALD_LIBRARY=build/lib/libskald.so \\
        python3 examples/notebook.py MODEL.gguf
"""

import sys

import skald


def main(path: str) -> None:
    with skald.Model(path) as model:
        # What is it?
        print(model.architecture, model.name, "%.1f million parameters" % (model.n_parameters / 1e6))
        print({key: model.metadata[key] for key in list(model.metadata)[:3]})

        # How does it cut text?
        ids = model.tokenize("Once upon a time", add_special=True)
        print([model.token_bytes(i).decode("utf-8", "replace") for i in ids])

        # Stream a continuation. Ctrl-C stops it and leaves everything usable.
        with model.context(n_ctx=256, n_predict=48, temperature=0.7, seed=1) as context:
            context.append("Once upon a time")
            for piece in context.generate():
                print(piece, end="", flush=True)
            print("\n[%s]" % context.info("stop_reason"))

            # Another ending from the same beginning: go back, change the seed, go on.
            context.truncate(len(ids))
            context.set(seed=2, n_predict=48)
            print("".join(context.generate()))

            # What would it have said next, and how sure is it?
            logits = context.logits()
            best = sorted(range(len(logits)), key=lambda i: -logits[i])[:5]
            print([(model.token_bytes(i).decode("utf-8", "replace"), round(logits[i], 2))
                   for i in best])

        # Talk with it: only what is new in a turn is evaluated. Go back, and ask otherwise.
        with model.chat(system="You are terse.", n_ctx=256, n_predict=24, seed=1) as chat:
            print("".join(chat.send("Name a river.")), chat.last.usage)
            before = chat.save()
            print("".join(chat.send("Another.")), chat.last.usage)
            chat.load(before)
            print("".join(chat.send("Why this one?")), len(chat.messages), "messages")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
