-- What a key is for, and when it ends by itself.
ALTER TABLE keys ADD COLUMN scope TEXT NOT NULL DEFAULT 'client';
ALTER TABLE keys ADD COLUMN expires_at BIGINT;
