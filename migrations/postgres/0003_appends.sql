-- Which appends were committed, for a server that lost the answer and tries again. A row goes when its server has seen
-- the answer, or a day after its server is gone.
CREATE TABLE appends (
    -- One start of one server: a UUID of its own.
    run UUID NOT NULL,
    -- The append within the run. Together they are what an append can happen only once under.
    sequence BIGINT NOT NULL,
    -- The server's name, for people.
    node TEXT NOT NULL,
    -- CRC-32 of what was appended: the same append has to bring the same batches.
    crc32 BIGINT NOT NULL,
    -- The places of the batches that were left out because of their epoch.
    stale INTEGER[] NOT NULL,
    committed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (run, sequence)
)
-- Small and always changing.
WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, fillfactor = 70);
