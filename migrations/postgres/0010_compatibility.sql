-- Which releases a migration leaves working, so that servers of the release before run on, and start, while nodes are
-- replaced one after the other.
--
-- A later migration that only adds something says so in itself:
--
--     INSERT INTO compatibility (migration, compatible_from, release) VALUES (12, 10, '0.4');
--
-- A server that does not know migration 12 opens the database when it knows migration 10. A migration that says nothing is
-- refused by every server that does not know it.
CREATE TABLE compatibility (
    -- The number of the migration.
    migration BIGINT PRIMARY KEY,
    -- The migration that a server has to know to work with the schema as this one leaves it.
    compatible_from BIGINT NOT NULL,
    -- The release that brought it, for people.
    release TEXT NOT NULL
);
