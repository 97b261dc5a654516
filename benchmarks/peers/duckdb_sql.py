"""duckdb_sql.py INPUT FOLDER: the three rules in DuckDB."""

import sys
from pathlib import Path

import duckdb

source, folder = sys.argv[1], Path(sys.argv[2])
database = duckdb.connect()
database.execute(
    """
    CREATE TEMP TABLE findings AS
    WITH document AS (
        FROM read_json($source, maximum_object_size = 1_000_000_000, columns = {
            analytics: 'STRUCT(keyBreakdown STRUCT(
                id VARCHAR, name VARCHAR, keyPrefix VARCHAR, lastUsedAt VARCHAR, isActive BOOLEAN)[])',
            timestamp: 'TIMESTAMPTZ'})
    ), keys AS (
        SELECT unnest(analytics.keyBreakdown, recursive := true) FROM document
    )
    SELECT *, CASE
        WHEN NOT isActive THEN 'expired'
        WHEN lastUsedAt IS NULL THEN 'never-used'
        WHEN lastUsedAt::TIMESTAMPTZ <= (SELECT timestamp FROM document) - INTERVAL 1080 HOUR THEN 'stale'
    END AS rule
    FROM keys WHERE rule IS NOT NULL
    """,
    {"source": source},
)
database.table("findings").write_csv(str(folder / "findings.csv"))
database.execute("COPY findings TO $target (FORMAT json, ARRAY true)", {"target": str(folder / "findings.json")})
