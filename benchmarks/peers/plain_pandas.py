"""plain_pandas.py INPUT FOLDER: the three rules as most would write them in pandas."""

import json
import sys
from pathlib import Path

import pandas as pd

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
with source.open(encoding="utf-8") as file:
    document = json.load(file)
keys = pd.json_normalize(document["analytics"]["keyBreakdown"])
last_used = pd.to_datetime(keys["lastUsedAt"], utc=True, format="ISO8601")
keys.loc[pd.Timestamp(document["timestamp"]) - last_used >= pd.Timedelta(days=45), "rule"] = "stale"
keys.loc[last_used.isna(), "rule"] = "never-used"
keys.loc[~keys["isActive"], "rule"] = "expired"
findings = keys[keys["rule"].notna()]
findings.to_csv(folder / "findings.csv", index=False)
findings.to_json(folder / "findings.json", orient="records")
