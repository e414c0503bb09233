-- Answers to requests that came with an Idempotency-Key, to be given again when the request is repeated.
CREATE TABLE answers (
    caller BIGINT NOT NULL CONSTRAINT answers_caller REFERENCES callers (id),
    path TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- SHA-256 of path and body: under one key there is one request.
    fingerprint BLOB NOT NULL,
    job BLOB NOT NULL CONSTRAINT answers_job REFERENCES jobs (id),
    -- Both null until the answer is known: a chat completion's comes with the video.
    status BIGINT,
    body BLOB,
    created_at BIGINT NOT NULL,
    CONSTRAINT answers_id PRIMARY KEY (caller, path, idempotency_key),
    CONSTRAINT answers_whole CHECK ((status IS NULL) = (body IS NULL))
);

CREATE INDEX answers_by_age ON answers (created_at);
