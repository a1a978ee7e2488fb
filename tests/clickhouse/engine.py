"""ClickHouse's own engine inside this process (PyPI `chdb`), with our schema in it.

Used by check.py; knows nothing of what the figures mean. It runs the files under
config/clickhouse as they are and never a query of its own about events.
"""

import json
import re
import tempfile
from pathlib import Path

from chdb import session

FOLDER = Path(__file__).resolve().parents[2] / "config" / "clickhouse"


def statements(text):
    """The statements of a file, without its comments."""
    text = re.sub(r"(?m)^\s*--.*$", "", text)
    return [part.strip() for part in text.split(";\n") if part.strip()]


class Engine:
    """A server without a network; its data is gone with it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tlsfloor-clickhouse-")
        self.session = session.Session(self.folder.name)
        self.load_schema()
        # Rows of the past would be gone before they are compared, on the day that the TTL says so.
        for table in ("events", "damaged", "intake"):
            self.run(f"SYSTEM STOP TTL MERGES tlsfloor.{table}")

    def load_schema(self):
        for statement in statements((FOLDER / "schema.sql").read_text()):
            self.run(statement)

    def run(self, statement, parameters=None):
        answer = self.session.query(statement, "JSONEachRow", params=parameters or {})
        # A damaged line is shown as it came, whatever its bytes are.
        lines = answer.bytes().decode(errors="replace").split("\n")
        return [json.loads(line) for line in lines if line]

    def ask(self, name, **parameters):
        """The rows of one of our queries."""
        (query,) = statements((FOLDER / "queries" / f"{name}.sql").read_text() + "\n")
        return self.run(query, parameters)

    def insert_lines(self, log):
        """Bytes of a log, as `clickhouse-client` takes them from `kubectl logs`."""
        self.insert("(line)", "LineAsString", log)

    def insert_objects(self, rows):
        """Rows as collectors insert them, one JSON object a line."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        self.insert("(line, source)", "JSONEachRow", text.encode())

    def insert(self, columns, form, content):
        with tempfile.NamedTemporaryFile(dir=self.folder.name, suffix=".log") as file:
            file.write(content)
            file.flush()
            self.run(f"INSERT INTO tlsfloor.lines {columns} FROM INFILE '{file.name}' FORMAT {form}")

    def forget(self):
        """As if nothing had come."""
        for table in ("events", "damaged", "intake"):
            self.run(f"TRUNCATE TABLE tlsfloor.{table}")

    def close(self):
        self.session.close()
        self.folder.cleanup()
