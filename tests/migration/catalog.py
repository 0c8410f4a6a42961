"""What a database's schema consists of, in a form in which two of them can be compared.

The order of columns does not count: one that a step adds comes last, and no statement depends on it.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import asyncpg

_PARTS: Mapping[str, str] = {
    "table": """
        SELECT c.relname, concat_ws(' ', c.relkind, c.relpersistence, array_to_string(c.reloptions, ','))
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S', 'm')
    """,
    "column": """
        SELECT c.relname || '.' || a.attname,
               concat_ws(' ', format_type(a.atttypid, a.atttypmod), 'collate ' || l.collname,
                         CASE WHEN a.attnotnull THEN 'not null' END,
                         'identity ' || nullif(a.attidentity::text, ''),
                         CASE a.attgenerated WHEN 's' THEN 'generated' END,
                         'default ' || pg_get_expr(d.adbin, d.adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraint": """
        SELECT conrelid::regclass::text || '.' || conname,
               pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE ' !' END
        FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'
    """,
    "index": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    "trigger": """
        SELECT t.tgrelid::regclass::text || '.' || t.tgname,
               pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
    """,
    "function": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND prokind IN ('f', 'p')
    """,
    "view": "SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()",
    "type": """
        SELECT t.typname, concat_ws(' ', t.typtype, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder))
        FROM pg_type t LEFT JOIN pg_enum e ON e.enumtypid = t.oid
        WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype IN ('e', 'd')
        GROUP BY t.typname, t.typtype
    """,
    "sequence": """
        SELECT sequencename, concat_ws(' ', data_type, min_value, max_value, increment_by, cycle, cache_size)
        FROM pg_sequences WHERE schemaname = current_schema()
    """,
}


async def catalog(conn: "asyncpg.Connection[Any]") -> dict[str, str]:
    """Each part of the schema with its definition: `column users.name` -> `text collate C not null`."""
    return {
        f"{kind} {name}": definition
        for kind, query in _PARTS.items()
        for name, definition in await conn.fetch(query)
    }


def difference(picture: Mapping[str, str], migrated: Mapping[str, str]) -> str:
    """What the steps do not do yet, part by part: `+` is in schema.sql only, `-` must go."""
    lines: list[str] = []
    for part in sorted({*picture, *migrated}):
        have, want = migrated.get(part), picture.get(part)
        if have == want:
            continue
        if have is None or want is None:
            lines.append(f"{'-' if want is None else '+'} {part}: {have or want}")
            continue
        lines.append(f"  {part}:")
        changes = difflib.ndiff(have.splitlines(), want.splitlines())
        lines += [f"    {line.rstrip()}" for line in changes if line[0] in "-+"]
    return "\n".join(lines)
