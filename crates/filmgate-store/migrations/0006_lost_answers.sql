-- What was to be done if the answer to a submission got lost, as the upstream's settings said when it went out (a
-- change of the settings does not change whether it carried an idempotency key), and since when the answer is lost.
ALTER TABLE attempts ADD COLUMN lost_answer TEXT NOT NULL DEFAULT 'give_up';
ALTER TABLE attempts ADD COLUMN lost_at BIGINT;

-- Whose video one is that an upstream lists.
CREATE INDEX attempts_listed ON attempts (token, upstream_id) WHERE lost_answer = 'look_up';
