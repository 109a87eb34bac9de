"""The code with the plain interpreter that the exporter's README shows."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "export" / "README.md"


def snippet():
    """The code with the plain interpreter in the exporter's README."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "Interpreter(" in block]
    return block
