-- Who is compacting which document. A lease only saves work: what makes two compactions safe is its token, which the one
-- that writes must still hold, and the generation in documents.
CREATE SEQUENCE lease_tokens;

CREATE TABLE leases (
    document_id BIGINT PRIMARY KEY REFERENCES documents (id),
    -- The run that holds it: appends.run.
    run UUID NOT NULL,
    -- The fence: a new number each time that the lease passes on, never one that was used before.
    token BIGINT NOT NULL,
    -- From then on another run may take it. By the clock of the database, the only one that counts.
    ends_at TIMESTAMPTZ NOT NULL
);
