-- The outbox: lanes, their events by the day, and the request ids that make retries count once.
-- depends:

CREATE TABLE lanes (
    lane uuid PRIMARY KEY,
    number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    owner text NOT NULL,
    partition integer,
    last_seq bigint NOT NULL DEFAULT 0,
    published_seq bigint NOT NULL DEFAULT 0,
    count bigint NOT NULL DEFAULT 0,
    sum numeric NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    drained_at timestamptz,
    CHECK (published_seq <= last_seq),
    CHECK (count = last_seq)
    -- The row is updated at every commit: room in the page, and no index on what changes, keep that update in place (HOT).
) WITH (fillfactor = 20);

COMMENT ON TABLE lanes IS 'One row for each session of a writer. The only numbers of an addition''s identity: (lane, seq).';
COMMENT ON COLUMN lanes.number IS 'Short name of the lane in events and in advisory locks: (1, number) writer, (2, number) relay.';
COMMENT ON COLUMN lanes.partition IS 'Kafka partition, fixed for ever when a relay first claims the lane: order needs one partition.';
COMMENT ON COLUMN lanes.published_seq IS 'Everything up to here is acknowledged by Kafka.';
COMMENT ON COLUMN lanes.closed_at IS 'From here on nobody writes to the lane: last_seq is final.';
COMMENT ON COLUMN lanes.drained_at IS 'Closed and published to the end: no relay looks at it again.';

CREATE INDEX lanes_to_publish ON lanes (number) WHERE drained_at IS NULL;

CREATE TABLE events (
    lane integer NOT NULL,
    seq bigint NOT NULL,
    x bigint NOT NULL,
    y bigint NOT NULL,
    created_at timestamptz NOT NULL,
    traceparent text
) PARTITION BY RANGE (created_at);

COMMENT ON TABLE events IS 'One row an accepted addition; days are dropped whole when they are published and old.';

CREATE INDEX events_by_position ON events (lane, seq);

-- Takes what belongs to a day that has no partition (a clock that is wrong, a relay that was away for days).
CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE TABLE requests (
    request_id text PRIMARY KEY,
    lane uuid NOT NULL,
    last_seq bigint NOT NULL,
    digest bytea NOT NULL,
    x bigint NOT NULL,
    y bigint NOT NULL,
    created_at timestamptz NOT NULL
);

COMMENT ON TABLE requests IS 'What was answered to a request that carried an id: its retry gets the same answer and counts once.';
COMMENT ON COLUMN requests.digest IS 'Of all numbers of the request: the same id with other numbers is refused.';
COMMENT ON COLUMN requests.x IS 'The first addition, to name it when the id is used for other numbers.';

CREATE INDEX requests_by_age ON requests (created_at);
