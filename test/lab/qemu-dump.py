#!/usr/bin/env python3
"""qemu-dump.py QMP_SOCKET OUT [FLATTENED]: stops the guest, writes its memory as ELF, and as flattened kdump too, and ends QEMU."""

import json
import os
import socket
import sys


def main(path: str, out: str, flattened: str | None = None) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    replies = connection.makefile('r')
    replies.readline()  # the greeting

    def execute(command: str, **arguments) -> None:
        connection.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode())
        for line in replies:
            reply = json.loads(line)
            if 'error' in reply:
                sys.exit(f'{command}: {reply["error"]["desc"]}')
            if 'return' in reply:
                return

    execute('qmp_capabilities')
    execute('stop')
    execute('dump-guest-memory', paging=False, protocol='file:' + os.path.abspath(out))
    if flattened:
        execute('dump-guest-memory', paging=False, protocol='file:' + os.path.abspath(flattened), format='kdump-zlib')
    execute('quit')


main(*sys.argv[1:4])
