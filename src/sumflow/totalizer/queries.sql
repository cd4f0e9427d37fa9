-- Every statement of the totalizer. One transaction takes its locks in this order, so that totalizers never
-- deadlock: offsets, lane_marks, processed_day, processed_events, named_foreign_totals, foreign_totals, totals with a name, the
-- one without; rows of a table in the order of their keys.

-- name: register_offset
-- Make a partition known at its beginning; one that is known keeps what it has.
INSERT INTO offsets (topic, partition, topic_id, next_offset, end_offset)
VALUES (%(topic)s, %(partition)s, %(topic_id)s, %(next_offset)s, %(end_offset)s)
ON CONFLICT DO NOTHING;

-- name: stored_offsets
-- Where reading goes on, for all partitions of a topic that were ever read.
SELECT partition, next_offset, topic_id FROM offsets WHERE topic = %(topic)s ORDER BY partition;

-- name: store_end_offsets
-- Remember where the partitions end, so that every replica can tell the lag of all.
UPDATE offsets o SET end_offset = d.end_offset, updated_at = now()
FROM unnest(%(partitions)s::int[], %(end_offsets)s::bigint[]) AS d (partition, end_offset)
WHERE o.topic = %(topic)s AND o.partition = d.partition AND o.end_offset <> d.end_offset;

-- name: lock_offsets
-- Lock the partitions of a batch: whoever holds the rows, and finds what it expects, owns the partitions. Once a newer version
-- has migrated the database, an older one finds none.
SELECT partition, next_offset, topic_id FROM offsets
WHERE topic = %(topic)s AND partition = ANY (%(partitions)s)
  AND (SELECT max(migration_id COLLATE "C") FROM _yoyo_migration) <= %(schema)s
ORDER BY partition FOR UPDATE;

-- name: schema
-- The newest migration that the database has.
SELECT max(migration_id COLLATE "C") FROM _yoyo_migration;

-- name: lock_lanes
-- Lock the lanes of a batch and read their marks.
SELECT lane, mark, parked FROM lane_marks WHERE lane = ANY (%(lanes)s) ORDER BY lane FOR UPDATE;

-- name: open_lanes
-- Give lanes that are seen for the first time their rows.
INSERT INTO lane_marks (lane, topic, partition)
SELECT lane, %(topic)s, partition FROM unnest(%(lanes)s::uuid[], %(partitions)s::int[]) AS d (lane, partition)
ORDER BY lane ON CONFLICT DO NOTHING;

-- name: park
-- Keep events that are ahead of their lane; one that is kept already is a duplicate.
WITH kept AS (
    INSERT INTO parked (lane, seq, x, y, result, created_at, topic, partition, "offset", total)
    SELECT lane, seq, x, y, result, created_at, %(topic)s, partition, "offset", nullif(total, '')
    FROM unnest(
        %(lanes)s::uuid[], %(seqs)s::bigint[], %(xs)s::bigint[], %(ys)s::bigint[], %(results)s::bigint[],
        %(created_ats)s::timestamptz[], %(partitions)s::int[], %(offsets)s::bigint[], %(totals)s::text[]
    ) AS d (lane, seq, x, y, result, created_at, partition, "offset", total)
    ORDER BY lane, seq ON CONFLICT DO NOTHING RETURNING lane
)
SELECT lane, count(*) FROM kept GROUP BY lane;

-- name: unpark
-- Take out what the lanes' marks have reached: the run that continues each mark, and what the marks have passed.
-- The run's end is the first seq without a successor; lead() under LIMIT 1 reads no further than that. One row for each lane
-- and name of a total.
WITH reached AS (
    SELECT d.lane, d.mark, coalesce(
        CASE WHEN EXISTS (SELECT FROM parked p WHERE p.lane = d.lane AND p.seq = d.mark + 1) THEN (
            SELECT w.seq
            FROM (
                SELECT p.seq, lead(p.seq) OVER (ORDER BY p.seq) AS successor
                FROM parked p WHERE p.lane = d.lane AND p.seq > d.mark
            ) w
            WHERE w.successor IS DISTINCT FROM w.seq + 1
            LIMIT 1
        ) END, d.mark) AS last
    FROM unnest(%(lanes)s::uuid[], %(marks)s::bigint[]) AS d (lane, mark)
), gone AS (
    DELETE FROM parked p USING reached r WHERE p.lane = r.lane AND p.seq <= r.last
    RETURNING p.lane, p.seq, p.result, p.created_at, p.total, r.mark, r.last
)
SELECT lane, last, total, count(*) FILTER (WHERE seq > mark), coalesce(sum(result) FILTER (WHERE seq > mark), 0), count(*),
       min(created_at) FILTER (WHERE seq > mark)
FROM gone GROUP BY lane, last, total;

-- name: advance_lanes
-- Move the lanes' marks, counts and sums.
UPDATE lane_marks m SET
    mark = d.mark, count = m.count + d.count, sum = m.sum + d.sum, parked = m.parked + d.parked, updated_at = now()
FROM unnest(%(lanes)s::uuid[], %(marks)s::bigint[], %(counts)s::bigint[], %(sums)s::numeric[], %(parked)s::bigint[])
    AS d (lane, mark, count, sum, parked)
WHERE m.lane = d.lane;

-- name: hold_day
-- Learn which partition of processed_events is written to, and keep it so until this transaction ends. It is a statement of
-- its own because the next one must take its snapshot after this lock: only then does it see all of the older partitions.
SELECT day FROM processed_day FOR SHARE;

-- name: remember_events
-- Remember ids of events without a lane and return those that are new. The key of the day's partition settles races
-- between totalizers; the partitions of other days no longer change, so looking is enough.
INSERT INTO processed_events (event_id, day)
SELECT d.event_id, %(day)s FROM unnest(%(event_ids)s::uuid[]) AS d (event_id)
WHERE NOT EXISTS (SELECT FROM processed_events p WHERE p.event_id = d.event_id)
ORDER BY d.event_id ON CONFLICT DO NOTHING RETURNING event_id;

-- name: count_foreign
-- Keep apart what events without a lane bring to the total, so that an audit can explain the total to the last unit.
UPDATE foreign_totals SET count = count + %(count)s, sum = sum + %(sum)s;

-- name: count_named_foreign
-- The same for named totals.
INSERT INTO named_foreign_totals AS t (name, count, sum)
SELECT name, count, sum FROM unnest(%(names)s::text[], %(counts)s::bigint[], %(sums)s::numeric[]) AS d (name, count, sum)
ORDER BY name COLLATE "C" ON CONFLICT (name) DO UPDATE SET count = t.count + excluded.count, sum = t.sum + excluded.sum;

-- name: count_named
-- Move the named totals; those that are new begin.
INSERT INTO totals AS t (name, count, sum)
SELECT name, count, sum FROM unnest(%(names)s::text[], %(counts)s::bigint[], %(sums)s::numeric[]) AS d (name, count, sum)
ORDER BY name COLLATE "C" ON CONFLICT (name) DO UPDATE SET count = t.count + excluded.count, sum = t.sum + excluded.sum;

-- name: lock_day
-- Hold the day of processed_events exclusively and tell whether it is over.
SELECT day < (now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date FROM processed_day FOR UPDATE;

-- name: turn_day
-- Let writers go on with another day's partition.
UPDATE processed_day SET day = %(day)s;

-- name: days
-- The partitions of processed_events, oldest first, by their names.
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'processed_events'::regclass ORDER BY c.relname;

-- name: bury
-- Keep records that cannot be counted; one that is there already was read again after its offsets were repaired by hand.
INSERT INTO dead_letters
    (topic, topic_id, partition, "offset", key, value, value_bytes, headers, reason, lane, seq)
SELECT %(topic)s, d.topic_id, d.partition, d."offset", d.key, d.value, d.value_bytes, d.headers::jsonb, d.reason, d.lane, d.seq
FROM unnest(
    %(topic_ids)s::uuid[], %(partitions)s::int[], %(offsets)s::bigint[], %(keys)s::bytea[], %(values)s::bytea[],
    %(sizes)s::bigint[], %(headers)s::text[], %(reasons)s::text[], %(lanes)s::uuid[], %(seqs)s::bigint[]
) AS d (topic_id, partition, "offset", key, value, value_bytes, headers, reason, lane, seq)
ON CONFLICT DO NOTHING;

-- name: finish
-- Move the total, the row that every transaction wants, and with it the offsets, whose rows are held since the start.
WITH moved AS (
    UPDATE offsets o SET
        next_offset = d.next_offset, end_offset = greatest(d.end_offset, d.next_offset),
        dead_letters = o.dead_letters + d.dead_letters, updated_at = now()
    FROM unnest(%(partitions)s::int[], %(next_offsets)s::bigint[], %(end_offsets)s::bigint[], %(dead_letters)s::bigint[])
        AS d (partition, next_offset, end_offset, dead_letters)
    WHERE o.topic = %(topic)s AND o.partition = d.partition
)
UPDATE totals SET count = count + %(count)s, sum = sum + %(sum)s WHERE name = '';

-- name: announce
-- Tell every replica that the totals changed, when this transaction commits.
SELECT pg_notify('totals', '');

-- name: listen
-- Hear what `announce` tells.
LISTEN totals;

-- name: snapshot
-- The total and what a reader may want to know with it, at one moment; marks of the lanes, and totals of the names, that are
-- asked for.
SELECT
    t.count, t.sum,
    (SELECT coalesce(sum(parked), 0) FROM lane_marks WHERE parked > 0),
    (SELECT coalesce(sum(dead_letters), 0) FROM offsets),
    (SELECT coalesce(sum(greatest(end_offset - next_offset, 0)), 0) FROM offsets WHERE topic = %(topic)s),
    (SELECT coalesce(jsonb_object_agg(lane, mark), '{}') FROM lane_marks WHERE lane = ANY (%(lanes)s::uuid[])),
    (SELECT coalesce(jsonb_object_agg(name, jsonb_build_array(count, sum)), '{}')
     FROM totals WHERE name = ANY (%(names)s::text[]))
FROM totals t WHERE t.name = '';

-- name: page
-- The named totals that follow a name, in the order of their bytes; the one without a name follows none.
SELECT name, count, sum FROM totals WHERE name > %(after)s ORDER BY name LIMIT %(limit)s;

-- name: oldest_parked
-- How long the oldest parked event has waited, in seconds; 0 if none waits.
SELECT coalesce(extract(epoch FROM now() - min(parked_at)), 0)::float8,
       (SELECT coalesce(sum(parked), 0)::bigint FROM lane_marks WHERE parked > 0)
FROM parked;

-- name: unexplained
-- Whether the totals are something else than lanes and the events without a lane make; one statement, one snapshot.
SELECT (t.count, t.sum) <> (f.count + l.count, f.sum + l.sum)
FROM foreign_totals f,
    (SELECT sum(count) AS count, sum(sum) AS sum FROM totals) AS t,
    (SELECT coalesce(sum(count), 0) AS count, coalesce(sum(sum), 0) AS sum FROM lane_marks) AS l;

-- name: dead_letters_to_copy
-- The oldest dead letters that the dead-letter topic does not have yet; a row is copied by one replica at a time.
SELECT topic, topic_id, partition, "offset", key, value, headers, reason FROM dead_letters
WHERE copied_at IS NULL ORDER BY at LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- name: mark_copied
-- Remember that the dead-letter topic has its copies.
UPDATE dead_letters l SET copied_at = now()
FROM unnest(%(topics)s::text[], %(topic_ids)s::uuid[], %(partitions)s::int[], %(offsets)s::bigint[])
    AS d (topic, topic_id, partition, "offset")
WHERE l.topic = d.topic AND l.topic_id = d.topic_id AND l.partition = d.partition AND l."offset" = d."offset";
