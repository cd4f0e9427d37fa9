-- The totals, and everything that must change together with them, in one transaction.
-- depends:

CREATE TABLE totals (
    name text PRIMARY KEY,
    count numeric NOT NULL DEFAULT 0,
    sum numeric NOT NULL DEFAULT 0
    -- Updated at every commit: room in the page keeps the update in place (HOT). So it is in lane_marks and offsets.
) WITH (fillfactor = 20);
COMMENT ON TABLE totals IS 'Running totals; the name of the one that counts everything is empty.';
INSERT INTO totals (name) VALUES ('');

CREATE TABLE lane_marks (
    lane uuid PRIMARY KEY,
    topic text NOT NULL,
    partition int NOT NULL,
    mark bigint NOT NULL DEFAULT 0,
    count numeric NOT NULL DEFAULT 0,
    sum numeric NOT NULL DEFAULT 0,
    parked bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON COLUMN lane_marks.mark IS 'Every event of the lane up to this seq is in the total, once.';
COMMENT ON COLUMN lane_marks.parked IS 'Rows of this lane in parked, kept here so that nobody has to count them.';
CREATE INDEX lane_marks_with_parked ON lane_marks (lane) WHERE parked > 0;

CREATE TABLE offsets (
    topic text NOT NULL,
    partition int NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL,
    end_offset bigint NOT NULL,
    dead_letters bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);
COMMENT ON TABLE offsets IS 'Where the next transaction starts reading; PostgreSQL is the authority, Kafka has a copy.';
COMMENT ON COLUMN offsets.topic_id IS 'Kafka''s identity of the topic: a topic that was recreated has another one.';

CREATE TABLE parked (
    lane uuid NOT NULL,
    seq bigint NOT NULL,
    x bigint NOT NULL,
    y bigint NOT NULL,
    result bigint NOT NULL,
    created_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (lane, seq)
);
COMMENT ON TABLE parked IS 'Events that came before their predecessors; counted when the gap closes.';
CREATE INDEX parked_by_age ON parked (parked_at);

CREATE TABLE dead_letters (
    topic text NOT NULL,
    topic_id uuid NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    value bytea,
    value_bytes bigint,
    headers jsonb NOT NULL,
    reason text NOT NULL,
    lane uuid,
    seq bigint,
    at timestamptz NOT NULL DEFAULT now(),
    copied_at timestamptz,
    PRIMARY KEY (topic, topic_id, partition, "offset")
);
COMMENT ON COLUMN dead_letters.value_bytes IS 'Size of the value in Kafka; value itself is cut where it is huge.';
COMMENT ON COLUMN dead_letters.copied_at IS 'When the dead-letter topic had its copy; null until then, and for ever where there is no such topic.';
CREATE INDEX dead_letters_to_copy ON dead_letters (at) WHERE copied_at IS NULL;
COMMENT ON COLUMN dead_letters.headers IS 'Pairs of a name and a value in hexadecimal, in the order of the record.';

CREATE TABLE processed_events (
    event_id uuid NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (event_id, day)
) PARTITION BY LIST (day);
COMMENT ON TABLE processed_events IS 'Ids of counted events that have no lane, kept for the days of their retention.';

CREATE TABLE processed_day (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    day date NOT NULL
);
COMMENT ON TABLE processed_day IS
    'The one partition of processed_events that is written to. Writers hold the row in share mode, so all of them write to the same partition and its key keeps ids unique; the older partitions no longer change.';
INSERT INTO processed_day (day) VALUES ('2000-01-01');
