-- What a video is made from, what its client chose, and what it deleted.

ALTER TABLE jobs ADD COLUMN mode TEXT NOT NULL DEFAULT 'text';
-- A JSON array: filmgate_domain::Input.
ALTER TABLE jobs ADD COLUMN inputs TEXT NOT NULL DEFAULT '[]';
ALTER TABLE jobs ADD COLUMN added_seconds BIGINT;
ALTER TABLE jobs ADD COLUMN on_shortage TEXT NOT NULL DEFAULT 'fallback';
ALTER TABLE jobs ADD COLUMN wait_until BIGINT;
ALTER TABLE jobs ADD COLUMN webhook TEXT;
ALTER TABLE jobs ADD COLUMN deleted_at BIGINT;
