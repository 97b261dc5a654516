"""Print what is made from the settings: ``python -m keyaudit.config example > config.example.toml``."""

from __future__ import annotations

import sys

from keyaudit.config.reference import GENERATED

if __name__ == "__main__":
    sys.stdout.write(GENERATED[sys.argv[1]].text())
