-- What a key opens, and until when; and which key an operator acted with.
ALTER TABLE keys ADD COLUMN scope TEXT NOT NULL DEFAULT 'client';
ALTER TABLE keys ADD COLUMN expires_at BIGINT;
-- Null: the admin key.
ALTER TABLE sessions ADD COLUMN key BIGINT;
-- Before there were other keys, it was always that one.
ALTER TABLE audit ADD COLUMN actor TEXT NOT NULL DEFAULT 'admin key';
