-- Additions may name the total that they count in; what a lane has under each name is kept, as its sum is.
-- depends: 0001-outbox

ALTER TABLE events ADD COLUMN total text;
COMMENT ON COLUMN events.total IS 'The name of the total that the addition counts in; null for the contract''s one total.';

ALTER TABLE requests ADD COLUMN total text NOT NULL DEFAULT '';
COMMENT ON COLUMN requests.total IS 'The first addition''s total, to name it when the id is used for another.';

CREATE TABLE lane_totals (
    lane integer NOT NULL,
    -- Bytes decide the order: the same on every server, and names need no other.
    total text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    sum numeric NOT NULL,
    PRIMARY KEY (lane, total)
    -- Rows are updated at every commit that brings their name; room in the page keeps those updates in place (HOT).
) WITH (fillfactor = 50);

COMMENT ON TABLE lane_totals IS
    'Count and sum of a lane''s additions with a name, by name; the rest of the lane''s count and sum has none.';
