-- What an audit asks of both databases; it only reads.

-- name: published
-- Adder: how far each lane is published.
SELECT lane, published_seq FROM lanes;

-- name: accepted
-- Adder: every lane; one that was opened before the outbox's oldest day may rightly have lost its first events.
SELECT lane, number, last_seq, published_seq, count, sum, partition, opened_at < %(kept_since)s
FROM lanes;

-- name: outbox_days
-- Adder: the names of the outbox's partitions.
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass;

-- name: tails
-- Adder: number and sum of the outbox's events beyond the totalizer's mark, of the lanes that are not counted to the end, by
-- lane and name of the total.
SELECT d.number, coalesce(e.total, ''), count(e.seq), coalesce(sum(e.x) + sum(e.y), 0)
FROM unnest(%(numbers)s::int[], %(marks)s::bigint[]) AS d (number, mark)
LEFT JOIN events e ON e.lane = d.number AND e.seq > d.mark
GROUP BY d.number, e.total;

-- name: accepted_totals
-- Adder: what all lanes have under each name.
SELECT total, sum(count), sum(sum) FROM lane_totals GROUP BY total;

-- name: counted_totals
-- Totalizer: the named totals, and what events without a lane brought to them; a row that is gone counts nothing.
SELECT name, coalesce(t.count, 0), coalesce(t.sum, 0), coalesce(f.count, 0), coalesce(f.sum, 0)
FROM (SELECT * FROM totals WHERE name <> '') AS t FULL JOIN named_foreign_totals f USING (name);

-- name: counted
-- Totalizer: every lane.
SELECT lane, mark, count, sum, parked FROM lane_marks;

-- name: parked
-- Totalizer: what waits behind gaps, by lane.
SELECT lane, count(*), max(seq) FROM parked GROUP BY lane;

-- name: next_offsets
-- Totalizer: what of each partition is read.
SELECT partition, next_offset FROM offsets WHERE topic = %(topic)s;

-- name: topics_read
-- Totalizer: the identities of the topics of that name that its offsets belong to; more than one, or another one than
-- Kafka has now, after the topic was recreated.
SELECT DISTINCT topic_id FROM offsets WHERE topic = %(topic)s;

-- name: dead_letters
-- Totalizer: dead letters in the place of the next event of their lane.
SELECT d.lane, d.seq, d.topic || '/' || d.partition || '@' || d."offset", d.reason
FROM dead_letters d LEFT JOIN lane_marks m USING (lane)
WHERE d.seq = coalesce(m.mark, 0) + 1;

-- name: totals
-- Totalizer: the one total, what events without a lane brought to it, and the number of dead letters; a row that is gone
-- counts nothing.
SELECT coalesce(max(t.count), 0), coalesce(max(t.sum), 0), coalesce(max(f.count), 0), coalesce(max(f.sum), 0),
       (SELECT coalesce(sum(dead_letters), 0) FROM offsets)
FROM (SELECT count, sum FROM totals WHERE name = '') AS t FULL JOIN foreign_totals f ON true;

-- name: outbox
-- Adder: of each lane's events that the outbox still has, what betrays a lost, a doubled and an altered one.
SELECT coalesce(l.lane::text, 'number ' || e.lane), e.lane, count(*), min(e.seq), max(e.seq),
       sum(e.seq), sum(e.x) + sum(e.y), l.last_seq, l.sum, l.opened_at < %(kept_since)s
FROM events e LEFT JOIN lanes l ON l.number = e.lane
GROUP BY e.lane, l.lane, l.last_seq, l.sum, l.opened_at;

-- name: outbox_totals
-- Adder: of lanes that the outbox has whole, the names under which it has something else than the lane says.
SELECT l.lane::text, d.total, d.count, d.sum, d.found, d.made
FROM (
    SELECT lane AS number, total, coalesce(k.count, 0) AS count, coalesce(k.sum, 0) AS sum,
           coalesce(e.count, 0) AS found, coalesce(e.sum, 0) AS made
    FROM (
        SELECT lane, total, count(*) AS count, sum(x) + sum(y) AS sum FROM events
        WHERE total IS NOT NULL AND lane = ANY (%(numbers)s::int[]) GROUP BY lane, total
    ) AS e
    FULL JOIN (SELECT * FROM lane_totals WHERE lane = ANY (%(numbers)s::int[])) AS k USING (lane, total)
) AS d
JOIN lanes l USING (number)
WHERE (d.count, d.sum) <> (d.found, d.made) ORDER BY d.number, d.total LIMIT %(limit)s;

-- name: empty_lanes
-- Adder: lanes without any event in the outbox that has to have them all.
SELECT lane::text, last_seq FROM lanes l
WHERE last_seq > 0 AND opened_at >= %(kept_since)s AND NOT EXISTS (SELECT FROM events e WHERE e.lane = l.number);

-- name: doubled
-- Adder: the first places that the outbox has more than once, in these lanes.
SELECT lane, seq, count(*) FROM events WHERE lane = ANY (%(numbers)s::int[])
GROUP BY lane, seq HAVING count(*) > 1 ORDER BY lane, seq LIMIT %(limit)s;

-- name: holes
-- Adder: the first holes in these lanes: the place before each, and the one after it.
SELECT lane, seq, successor
FROM (
    SELECT lane, seq, lead(seq) OVER (PARTITION BY lane ORDER BY seq) AS successor
    FROM events WHERE lane = ANY (%(numbers)s::int[])
) AS places
WHERE successor > seq + 1 ORDER BY lane, seq LIMIT %(limit)s;

-- name: events
-- Adder: the events of runs of places.
SELECT l.lane, e.seq, e.x, e.y, coalesce(e.total, '')
FROM unnest(%(lanes)s::uuid[], %(firsts)s::bigint[], %(lasts)s::bigint[]) AS d (lane, first, last)
JOIN lanes l ON l.lane = d.lane
JOIN events e ON e.lane = l.number AND e.seq BETWEEN d.first AND d.last;

-- name: ends
-- Adder: where lanes end now.
SELECT lane, last_seq FROM lanes WHERE lane = ANY (%(lanes)s::uuid[]);

-- name: passed_over
-- Totalizer: which of these events are neither counted nor parked nor dead letters.
SELECT d.lane, d.seq
FROM unnest(%(lanes)s::uuid[], %(seqs)s::bigint[]) AS d (lane, seq)
WHERE NOT EXISTS (SELECT FROM lane_marks m WHERE m.lane = d.lane AND m.mark >= d.seq)
  AND NOT EXISTS (SELECT FROM parked p WHERE p.lane = d.lane AND p.seq = d.seq);

-- name: forgotten
-- Totalizer: which of these ids of foreign events are not remembered as counted.
SELECT d.event_id FROM unnest(%(event_ids)s::uuid[]) AS d (event_id)
WHERE NOT EXISTS (SELECT FROM processed_events p WHERE p.event_id = d.event_id);

-- name: rebuilt
-- Totalizer: up to where lanes were counted from the adder's database, whatever the topic has of them.
SELECT lane, rebuilt_to FROM lane_marks WHERE rebuilt_to > 0;

-- name: unburied
-- Totalizer: which of these places have no dead letter.
SELECT d.partition, d."offset" FROM unnest(%(partitions)s::int[], %(offsets)s::bigint[]) AS d (partition, "offset")
WHERE NOT EXISTS (
    SELECT FROM dead_letters l
    WHERE l.topic = %(topic)s AND l.partition = d.partition AND l."offset" = d."offset"
);

-- name: parked_events
-- Totalizer: the parked events after a place, in order.
SELECT lane, seq, x, y, result, coalesce(total, '') FROM parked
WHERE (lane, seq) > (%(lane)s::uuid, %(seq)s::bigint) ORDER BY lane, seq LIMIT %(limit)s;

-- name: remembered
-- Totalizer: foreign events remembered as counted, and how often the most frequent of them is.
SELECT coalesce(sum(times), 0), coalesce(max(times), 0)
FROM (SELECT count(*) AS times FROM processed_events GROUP BY event_id) AS ids;

-- name: occurrences
-- Adder: how often each x within bounds is in the outbox, where more than once or not at all would be a fault.
SELECT x, count(*) FROM events WHERE x BETWEEN %(first)s AND %(last)s GROUP BY x;
