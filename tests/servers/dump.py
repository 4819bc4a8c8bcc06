"""All that a database holds, as text in small letters: what a test looks through for words that must not be there."""

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection


async def dump(conn: Connection) -> dict[str, str]:
    """Return every column of every table of ours that is no id, number or time, by its name."""
    columns = await conn.fetch(
        """
        SELECT format('%I.%I', c.table_schema, c.table_name) AS table, quote_ident(c.column_name) AS column,
               c.data_type = 'bytea' AS is_bytes
          FROM information_schema.columns c
          JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema NOT IN ('pg_catalog', 'information_schema') AND t.table_type = 'BASE TABLE'
           AND c.data_type NOT IN ('uuid', 'integer', 'bigint', 'smallint', 'boolean', 'date')
           AND c.data_type NOT LIKE 'time%'
        """
    )
    found = {}
    for table, column, is_bytes in columns:
        text = f"encode({column}, 'escape')" if is_bytes else f"{column}::text"
        value = await conn.fetchval(f"SELECT string_agg({text}, ' ') FROM {table}")
        if value:
            found[f"{table}.{column}"] = str(value).lower()
    return found


async def where(conn: Connection, *words: str) -> dict[str, list[str]]:
    """Return in which columns each of these words stands; nothing for those that are nowhere."""
    columns = await dump(conn)
    found = {word: [name for name, text in columns.items() if word.lower() in text] for word in words}
    return {word: names for word, names in found.items() if names}
