-- name: drop_yardstick
-- The yardstick's table is made anew for each round, and is gone afterwards.
DROP TABLE IF EXISTS sumflow_bench;

-- name: create_yardstick
-- As wide as an event, with the same kind of key; logged, like the outbox.
CREATE TABLE sumflow_bench (lane int NOT NULL, seq bigint NOT NULL, x bigint NOT NULL, y bigint NOT NULL, PRIMARY KEY (lane, seq));

-- name: commit_yardstick
-- The least that a count can be: one row, by key, in a transaction of its own.
INSERT INTO sumflow_bench (lane, seq, x, y) VALUES (1, 1, 1, 1)
ON CONFLICT (lane, seq) DO UPDATE SET x = sumflow_bench.x + excluded.x;

-- name: copy_yardstick
-- The fastest way into PostgreSQL that there is.
COPY sumflow_bench (lane, seq, x, y) FROM STDIN (FORMAT BINARY);
