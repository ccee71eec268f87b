-- Single values about the database itself. 'health' counts the health checks: each is a real commit.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
