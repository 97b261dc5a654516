"""orjson_floor.py INPUT FOLDER: only reads and parses the document; no rule, no output."""

import sys
from pathlib import Path

import orjson

orjson.loads(Path(sys.argv[1]).read_bytes())
