-- Who is told the end of videos: at most one standing address a caller, and the secret that signs what it is sent.
CREATE TABLE webhooks (
    caller INTEGER NOT NULL CONSTRAINT webhooks_id PRIMARY KEY CONSTRAINT webhooks_caller REFERENCES callers (id),
    -- Null: only requests that name an address are told about.
    url TEXT,
    -- XChaCha20-Poly1305, bound to this row and column.
    sealed BLOB NOT NULL,
    -- The secret before, which signs too until then.
    previous BLOB,
    previous_until BIGINT,
    key_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT,
    CONSTRAINT webhooks_previous CHECK ((previous IS NULL) = (previous_until IS NULL))
);

-- What was, or is to be, told: written in the commit that ends the job.
CREATE TABLE deliveries (
    id BLOB NOT NULL CONSTRAINT deliveries_id PRIMARY KEY,
    caller BIGINT NOT NULL CONSTRAINT deliveries_caller REFERENCES callers (id),
    job BLOB NOT NULL CONSTRAINT deliveries_job REFERENCES jobs (id),
    -- completed or failed
    event TEXT NOT NULL,
    url TEXT NOT NULL,
    -- The address's server: no server may hold up the others.
    host TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    last_try_at BIGINT,
    last_status BIGINT,
    last_error TEXT,
    -- Exactly one of these three is there.
    next_at BIGINT,
    delivered_at BIGINT,
    given_up_at BIGINT,
    CONSTRAINT deliveries_one_state CHECK
        ((next_at IS NOT NULL) + (delivered_at IS NOT NULL) + (given_up_at IS NOT NULL) = 1)
) WITHOUT ROWID;

CREATE INDEX deliveries_pending ON deliveries (host, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_pending_of ON deliveries (caller) WHERE next_at IS NOT NULL;
