"""objects.py COUNT: a Python program's heap: the syntax trees of COUNT modules of its own library, and their words counted."""

import ast
import collections
import os
import sys
import time

trees, words = {}, collections.Counter()
paths = sorted(os.path.join(at, name) for at, _, names in os.walk(os.path.dirname(os.__file__)) for name in names if name.endswith('.py'))
for path in paths:
    if len(trees) == int(sys.argv[1]):
        break
    try:
        with open(path, encoding='utf-8') as file:
            text = file.read()
        if 2000 < len(text) < 60000:
            trees[path] = ast.parse(text)
            words.update(text.split())
    except (OSError, SyntaxError, ValueError):
        pass
print(f'objects is up, {len(trees)} modules, {len(words)} words', flush=True)
while True:
    time.sleep(1000000)
