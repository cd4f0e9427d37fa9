-- What a rebuild writes to the totalizer's database, all of it in one transaction; and what it reads beside the audit's cut.

-- name: accepted_names
-- Adder: what the lanes that were ever published have under each name.
SELECT t.total, sum(t.count), sum(t.sum)
FROM lane_totals t JOIN lanes l ON l.number = t.lane WHERE l.partition IS NOT NULL GROUP BY t.total;

-- name: hold_totals
-- Let batches that are under way end and keep others waiting: each begins with a row of this table. Readers go on.
LOCK TABLE offsets IN EXCLUSIVE MODE;

-- name: set_lanes
-- Count the adder's lanes to their ends.
INSERT INTO lane_marks (lane, topic, partition, mark, count, sum, rebuilt_to)
SELECT d.lane, %(topic)s, d.partition, d.last_seq, d.last_seq, d.sum, d.last_seq
FROM unnest(%(lanes)s::uuid[], %(partitions)s::int[], %(last_seqs)s::bigint[], %(sums)s::numeric[])
    AS d (lane, partition, last_seq, sum)
ORDER BY d.lane
ON CONFLICT (lane) DO UPDATE SET
    mark = excluded.mark, count = excluded.count, sum = excluded.sum, rebuilt_to = excluded.rebuilt_to, updated_at = now();

-- name: forget_lanes
-- Take out lanes that the adder does not have, or has not published.
DELETE FROM lane_marks WHERE lane = ANY (%(lanes)s);

-- name: forget_parked
-- Take out what waits behind gaps: what the adder has of it is counted now.
WITH gone AS (DELETE FROM parked) UPDATE lane_marks SET parked = 0 WHERE parked > 0;

-- name: forget_totals
-- Take out all totals.
DELETE FROM totals;

-- name: set_totals
-- Put in what lanes and the events without a lane bring to each.
INSERT INTO totals (name, count, sum)
SELECT name, count, sum FROM unnest(%(names)s::text[], %(counts)s::numeric[], %(sums)s::numeric[]) AS d (name, count, sum)
ORDER BY name COLLATE "C";

-- name: forget_offsets
-- Take out where reading stood.
DELETE FROM offsets WHERE topic = %(topic)s;

-- name: set_offsets
-- Let reading begin there, in the topic that there is now. Dead letters that will not be read again stay counted.
INSERT INTO offsets (topic, partition, topic_id, next_offset, end_offset, dead_letters)
SELECT %(topic)s, d.partition, %(topic_id)s, d.start, d.end_offset, (
    SELECT count(*) FROM dead_letters l
    WHERE l.topic = %(topic)s AND l.partition = d.partition
      AND (l.topic_id <> %(topic_id)s OR l."offset" < d.start))
FROM unnest(%(partitions)s::int[], %(starts)s::bigint[], %(ends)s::bigint[]) AS d (partition, start, end_offset);

-- name: announce
-- Tell every replica that the totals changed, when this transaction commits.
SELECT pg_notify('totals', '');
