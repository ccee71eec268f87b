-- The servers that have this database open: one row for each run of one. For people and for tools; nothing that is stored
-- depends on it.
--
-- Times are those of the database, the only clock that all nodes share: a row that was not renewed for some seconds belongs
-- to a server that is gone.
CREATE TABLE nodes (
    -- One start of one server: appends.run. Two servers of one name are two rows.
    run UUID PRIMARY KEY,
    -- The server's name, for people.
    node TEXT NOT NULL,
    -- HOST:PORT on which other nodes and operators reach it.
    address TEXT NOT NULL,
    -- The release that it is.
    version TEXT NOT NULL,
    -- 'starting', 'ready' or 'draining'. A later release may know more.
    state TEXT NOT NULL,
    -- Rooms in its memory and sockets that are open, as of the last renewal.
    rooms_count BIGINT NOT NULL,
    connections_count BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- When it last showed that it lives.
    heard_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
-- A line a node, renewed every few seconds: what changes stays on its page.
WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, fillfactor = 25);
