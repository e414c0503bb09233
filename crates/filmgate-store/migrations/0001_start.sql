-- Times are milliseconds since 1970-01-01T00:00:00Z. Words (states, outcomes, ...) are those of filmgate-domain.

-- Marks of the master keys that tokens are sealed with: they tell a wrong key before it does harm.
CREATE TABLE master_keys (
    version BIGINT NOT NULL CONSTRAINT master_keys_version PRIMARY KEY,
    mark BLOB NOT NULL
);

-- Who owns jobs.
CREATE TABLE callers (
    id INTEGER NOT NULL CONSTRAINT callers_id PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CONSTRAINT callers_name UNIQUE,
    created_at BIGINT NOT NULL
);

-- Client keys: what applications send to filmgate. Only their SHA-256 is here.
CREATE TABLE keys (
    id INTEGER NOT NULL CONSTRAINT keys_id PRIMARY KEY AUTOINCREMENT,
    caller BIGINT NOT NULL CONSTRAINT keys_caller REFERENCES callers (id),
    name TEXT NOT NULL,
    hash BLOB NOT NULL CONSTRAINT keys_hash UNIQUE,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);

-- Upstream credentials. What is reserved or spent is not here: that is the sum over attempts.
CREATE TABLE tokens (
    id INTEGER NOT NULL CONSTRAINT tokens_id PRIMARY KEY AUTOINCREMENT,
    pool TEXT NOT NULL,
    -- XChaCha20-Poly1305, bound to this row; null once a removed token's secret is wiped.
    sealed BLOB,
    key_version BIGINT NOT NULL,
    -- HMAC-SHA256 of the secret, to know it again.
    fingerprint BLOB NOT NULL,
    status TEXT NOT NULL,
    cooling_until BIGINT,
    opening_at BIGINT,
    opening_units BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    use_count BIGINT NOT NULL,
    failures_in_a_row BIGINT NOT NULL,
    fail_count BIGINT NOT NULL,
    last_fail_at BIGINT,
    last_fail_reason TEXT,
    last_sync_at BIGINT,
    -- A JSON array of strings.
    tags TEXT NOT NULL,
    note TEXT NOT NULL,
    removed_at BIGINT,
    CONSTRAINT tokens_opening CHECK ((opening_at IS NULL) = (opening_units IS NULL))
);

-- A secret is in use once, whatever the pool.
CREATE UNIQUE INDEX tokens_present ON tokens (fingerprint) WHERE removed_at IS NULL;
CREATE INDEX tokens_removed ON tokens (fingerprint) WHERE removed_at IS NOT NULL;

-- Videos, from the request to the file.
CREATE TABLE jobs (
    id BLOB NOT NULL CONSTRAINT jobs_id PRIMARY KEY,
    caller BIGINT NOT NULL CONSTRAINT jobs_caller REFERENCES callers (id),
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    resolution TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    aspect_ratio TEXT NOT NULL,
    state TEXT NOT NULL,
    progress BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    finished_at BIGINT,
    fingerprint BLOB NOT NULL,
    blamed BIGINT NOT NULL,
    fetches BIGINT NOT NULL,
    failure_code TEXT,
    failure_message TEXT,
    failure_fault TEXT,
    delivered_width BIGINT,
    delivered_height BIGINT,
    delivered_ms BIGINT,
    delivered_codec TEXT,
    delivered_bytes BIGINT,
    delivered_sha256 TEXT,
    file_removed_at BIGINT,
    CONSTRAINT jobs_final_when_finished CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'failed')))
);

CREATE INDEX jobs_by_caller ON jobs (caller, id);
-- Each of these holds only what its readers look for, so that a job costs little on its way.
CREATE INDEX jobs_unfinished ON jobs (id) WHERE finished_at IS NULL;
CREATE INDEX jobs_finished ON jobs (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (id) WHERE state = 'failed';
CREATE INDEX jobs_with_file ON jobs (finished_at) WHERE state = 'completed' AND file_removed_at IS NULL;

-- Tries at a job. One that is not settled is the reservation of its token: there is no other book.
CREATE TABLE attempts (
    job BLOB NOT NULL CONSTRAINT attempts_job REFERENCES jobs (id),
    n BIGINT NOT NULL,
    token BIGINT NOT NULL CONSTRAINT attempts_token REFERENCES tokens (id),
    pool TEXT NOT NULL,
    upstream TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    reason TEXT NOT NULL,
    sent_resolution TEXT NOT NULL,
    sent_seconds BIGINT NOT NULL,
    sent_aspect_ratio TEXT NOT NULL,
    units BIGINT NOT NULL,
    reserved_at BIGINT NOT NULL,
    sent_at BIGINT,
    answered_at BIGINT,
    upstream_id TEXT,
    video_url TEXT,
    cost_ticks BIGINT,
    outcome TEXT,
    error TEXT,
    settled_at BIGINT,
    charged BIGINT NOT NULL,
    slot_until BIGINT,
    CONSTRAINT attempts_id PRIMARY KEY (job, n),
    CONSTRAINT attempts_settled_with_outcome CHECK ((settled_at IS NULL) = (outcome IS NULL))
) WITHOUT ROWID;

CREATE INDEX attempts_settled ON attempts (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX attempts_slot_held ON attempts (slot_until) WHERE slot_until IS NOT NULL;
