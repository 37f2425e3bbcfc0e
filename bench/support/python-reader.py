"""One SQLite connection through Python's sqlite3, driven by a JSON line a command; beside the benchmarks' own process.

Usage: python-reader.py EXTENSION DATABASE. EXTENSION, if not empty, is loaded first (the official VFS); DATABASE is a URI.
"""
import json
import sqlite3
import sys
import time

extension, database = sys.argv[1:3]


def load():
    connection = sqlite3.connect(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(extension)


def now():
    return time.perf_counter() * 1000


def run(connection, command):
    last = []
    start = now()
    if command["transaction"]:
        connection.execute("BEGIN")
    for parameters in command["parameters"]:
        last = connection.execute(command["sql"], parameters).fetchall()
    if command["transaction"]:
        connection.execute("COMMIT")
    answer = {"ms": now() - start}
    if command["rows"]:
        answer["rows"] = last
    return answer


if extension:
    load()
connection = None
others = []
for line in sys.stdin:
    command = json.loads(line)
    try:
        if command["do"] == "open":
            if connection:
                others.append(connection)
            start = now()
            connection = sqlite3.connect(database, uri=True, isolation_level=None)
            connection.execute(command["sql"]).fetchall()
            answer = {"ms": now() - start}
        else:
            answer = run(connection, command)
    except sqlite3.Error as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
