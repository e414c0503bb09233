-- What the operator's page remembers: who is signed in, what was done, and how each minute went.

-- Signed-in browsers. Only a SHA-256 of the cookie and the admin key is here.
CREATE TABLE sessions (
    hash BLOB NOT NULL CONSTRAINT sessions_id PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

-- What operators did, in order.
CREATE TABLE audit (
    id INTEGER NOT NULL CONSTRAINT audit_id PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    -- page, or api (which the command line uses too)
    via TEXT NOT NULL,
    -- Such as token.disable
    action TEXT NOT NULL,
    -- What it was done to, such as tok_7
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE INDEX audit_of ON audit (subject, id);
CREATE INDEX audit_by_age ON audit (at);

-- How the videos that ended in a minute went, by pool: what charts are drawn from, long after jobs are gone.
CREATE TABLE minutes (
    -- When the minute began.
    at BIGINT NOT NULL,
    -- Empty for jobs that ended before they had a token.
    pool TEXT NOT NULL,
    -- Each video is in one of these five.
    as_asked BIGINT NOT NULL,
    upgraded BIGINT NOT NULL,
    fallen_back BIGINT NOT NULL,
    downgraded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    -- Of those that failed: nobody knows whether the upstream took them.
    unknown BIGINT NOT NULL,
    -- Of the others: less than what the upstream was asked for.
    below_sent BIGINT NOT NULL,
    -- Units charged.
    units BIGINT NOT NULL,
    -- Time from admission to the delivered file: a JSON array of counts, by latency class,
    -- without the zeros at its end.
    latency TEXT NOT NULL,
    CONSTRAINT minutes_id PRIMARY KEY (at, pool)
) WITHOUT ROWID;

-- What a caller may use; null: no limit.
ALTER TABLE callers ADD COLUMN max_in_flight BIGINT;
ALTER TABLE callers ADD COLUMN requests_per_minute BIGINT;
ALTER TABLE callers ADD COLUMN units_per_day BIGINT;

-- A token's history.
CREATE INDEX attempts_of_token ON attempts (token, job);

-- Who was told the end of a video, which is also looked for when a video is forgotten; and what the overview counts.
CREATE INDEX deliveries_of_job ON deliveries (job);
CREATE INDEX deliveries_given_up ON deliveries (id) WHERE given_up_at IS NOT NULL;
