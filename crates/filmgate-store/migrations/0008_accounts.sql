-- Reservations that lasted longer than an hour: few. Whoever looks at a day finds the others near its end.
CREATE INDEX attempts_long ON attempts (reserved_at) WHERE settled_at - reserved_at > 3600000;
