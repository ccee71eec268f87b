-- Where the tail of the log goes on (persistence/src/sqlite/tail.rs). 'tail_folded' is the highest generation that is in the table log;
-- 'tail_key' is what the groups of this database are marked with, drawn here and never changed.
INSERT INTO meta (key, value) VALUES ('tail_folded', 0), ('tail_key', random());
