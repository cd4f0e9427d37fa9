-- The adder's and the relay's queries, each with a name and a sentence. Lane numbers are the lanes' short names.

-- name: open_lane
-- A new lane for a new session of a writer; its lock is taken before anyone can see the row, so that no relay can close it.
INSERT INTO lanes (lane, owner) VALUES (%(lane)s, %(owner)s) RETURNING number, pg_advisory_lock(1, number);

-- name: remember_requests
-- Keeps the ids of a group; fewer rows than ids means that some were used before. Sorted, so that two adders cannot deadlock.
INSERT INTO requests (request_id, lane, last_seq, digest, x, y, total, created_at)
SELECT request_id, %(lane)s, last_seq, digest, x, y, total, now()
FROM unnest(
    %(ids)s::text[], %(seqs)s::bigint[], %(digests)s::bytea[], %(xs)s::bigint[], %(ys)s::bigint[], %(totals)s::text[]
) AS given (request_id, last_seq, digest, x, y, total)
ORDER BY request_id
ON CONFLICT DO NOTHING;

-- name: known_requests
-- What was stored under these ids.
SELECT request_id, lane, last_seq, digest, x, y, total FROM requests WHERE request_id = ANY(%(ids)s::text[]);

-- name: store_group
-- One commit: moves the lane's end by compare-and-set, stores the events behind it, moves what the lane has under each name
-- that they bring, and wakes the relay when it commits. No row means that the lane is not this session's any more, and that
-- nothing was stored.
WITH moved AS (
    UPDATE lanes
    SET last_seq = last_seq + %(count)s, count = count + %(count)s, sum = sum + %(sum)s
    WHERE number = %(number)s AND last_seq = %(last_seq)s AND closed_at IS NULL
    RETURNING number
), stored AS (
    INSERT INTO events (lane, seq, x, y, created_at, traceparent, total)
    SELECT number, %(last_seq)s + ordinal, x, y, %(created_at)s, traceparent, nullif(total, '')
    FROM moved, unnest(%(xs)s::bigint[], %(ys)s::bigint[], %(traceparents)s::text[], %(totals)s::text[])
        WITH ORDINALITY AS given (x, y, traceparent, total, ordinal)
), named AS (
    INSERT INTO lane_totals AS t (lane, total, count, sum)
    SELECT number, total, given.count, given.sum
    FROM moved, unnest(%(names)s::text[], %(counts)s::bigint[], %(sums)s::numeric[]) AS given (total, count, sum)
    ORDER BY total COLLATE "C" -- a third faster than all over the index
    ON CONFLICT (lane, total) DO UPDATE SET count = t.count + excluded.count, sum = t.sum + excluded.sum
)
SELECT pg_notify('sumflow_lanes', number::text) FROM moved;

-- name: close_lane
-- The writer's farewell: nothing follows.
UPDATE lanes SET closed_at = now() WHERE number = %(number)s AND closed_at IS NULL;

-- name: listen
-- Hears of commits.
LISTEN sumflow_lanes;

-- name: survey
-- Every lane that is not drained, and whether some relay has claimed it. Once a newer version has migrated the database, an
-- older relay finds none: it ends what it has claimed, and leaves the lanes of newer writers to newer relays.
SELECT number, lane, owner, last_seq, closed_at IS NOT NULL AS closed, claims.objid IS NOT NULL AS claimed
FROM lanes
LEFT JOIN (
    SELECT DISTINCT objid FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 2 AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS claims ON claims.objid = lanes.number::oid
WHERE drained_at IS NULL AND (SELECT max(migration_id COLLATE "C") FROM _yoyo_migration) <= %(schema)s
ORDER BY number;

-- name: claim
-- Becomes the lane's only publisher, for as long as this session lives.
SELECT pg_try_advisory_lock(2, %(number)s);

-- name: release
-- Gives a lane up.
SELECT pg_advisory_unlock(2, %(number)s);

-- name: fix_partition
-- The first claim decides the lane's partition for ever; returns it, and how far the lane is published.
UPDATE lanes SET partition = coalesce(partition, number %% %(partitions)s) WHERE number = %(number)s
RETURNING partition, published_seq;

-- name: read_events
-- The next events of a lane, in order.
SELECT seq, x, y, created_at, traceparent, total FROM events
WHERE lane = %(number)s AND seq > %(after)s
ORDER BY seq LIMIT %(limit)s;

-- name: record_published
-- Moves each lane's published end; never back, whoever is late.
UPDATE lanes SET published_seq = given.seq
FROM unnest(%(numbers)s::integer[], %(seqs)s::bigint[]) AS given (number, seq)
WHERE lanes.number = given.number AND published_seq < given.seq;

-- name: close_abandoned
-- Closes the lanes whose writer's session is gone. Its lock is free only after its last transaction ended, and while we hold
-- it nobody writes: what the updated row says of last_seq is final.
WITH free AS MATERIALIZED (
    SELECT number FROM unnest(%(numbers)s::integer[]) AS given (number) WHERE pg_try_advisory_xact_lock(1, number)
)
UPDATE lanes SET closed_at = now() FROM free
WHERE lanes.number = free.number AND closed_at IS NULL
RETURNING lanes.number;

-- name: finish_drained
-- Marks the lanes that are closed and published to the end.
UPDATE lanes SET drained_at = now()
WHERE number = ANY(%(numbers)s::integer[]) AND closed_at IS NOT NULL AND published_seq = last_seq
RETURNING number;

-- name: lock_maintenance
-- One process at a time changes the outbox's partitions.
SELECT pg_try_advisory_xact_lock(3, 0);

-- name: hold_writers
-- Lets commits that are under way end and keeps others waiting: what is checked after it stays true until this transaction ends.
LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE;

-- name: clock
-- The one clock by which things grow old.
SELECT now();

-- name: list_partitions
-- The partitions of the outbox, by name.
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass;

-- name: create_partition
-- A day of the outbox, in UTC.
CREATE TABLE IF NOT EXISTS {partition} PARTITION OF events FOR VALUES FROM ({start}) TO ({end});

-- name: partition_is_published
-- Whether no lane still needs an event of this partition.
SELECT NOT EXISTS (
    SELECT FROM lanes, LATERAL (
        SELECT FROM {partition} AS e WHERE e.lane = lanes.number AND e.seq > lanes.published_seq LIMIT 1
    ) AS unpublished
    WHERE drained_at IS NULL
);

-- name: drop_partition
-- Frees a day of the outbox at once.
DROP TABLE IF EXISTS {partition};

-- name: default_is_old
-- Whether the partition for everything else holds rows, all of them older than a time.
SELECT max(created_at) < {before} FROM events_default;

-- name: empty_default
-- Frees what had no day of its own.
TRUNCATE events_default;

-- name: forget_requests
-- Forgets the oldest request ids, so many at a time that no transaction is long.
DELETE FROM requests WHERE request_id IN (
    SELECT request_id FROM requests WHERE created_at < %(before)s ORDER BY created_at LIMIT %(limit)s
);
