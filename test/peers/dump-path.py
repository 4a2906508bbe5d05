#!/usr/bin/env python3
"""dump-path.py NAME: prints where a dump is, unpacked and verified."""

import sys

from checks import dumps

print(next(iter(dumps(sys.argv[1:2]))).path)
