-- A line a server that checks whether it can write: each check is a real commit.
CREATE TABLE health (
    node TEXT PRIMARY KEY,
    checked_at TIMESTAMPTZ NOT NULL
);
