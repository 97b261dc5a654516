"""polars_schema.py INPUT FOLDER: the three rules in Polars, with the schema given."""

import sys
from pathlib import Path

import polars as pl

source, folder = sys.argv[1], Path(sys.argv[2])
key = {"id": pl.String, "name": pl.String, "keyPrefix": pl.String, "lastUsedAt": pl.String, "isActive": pl.Boolean}
document = pl.read_json(
    source,
    schema={"analytics": pl.Struct({"keyBreakdown": pl.List(pl.Struct(key))}), "timestamp": pl.String},
)
now = pl.lit(document["timestamp"]).str.to_datetime("%+", time_zone="UTC").first()
idle = now - pl.col("lastUsedAt").str.to_datetime("%+", time_zone="UTC")
findings = (
    document.select(pl.col("analytics").struct.field("keyBreakdown").explode())
    .unnest("keyBreakdown")
    .with_columns(
        rule=pl.when(~pl.col("isActive"))
        .then(pl.lit("expired"))
        .when(pl.col("lastUsedAt").is_null())
        .then(pl.lit("never-used"))
        .when(idle >= pl.duration(days=45))
        .then(pl.lit("stale"))
    )
    .filter(pl.col("rule").is_not_null())
)
findings.write_csv(folder / "findings.csv")
findings.write_json(folder / "findings.json")
