-- Totals with a name beside the one of the contract, whose name is empty.
-- depends: 0002-foreign

-- Bytes decide the order of names: the same on every server, for pages of a list and for the order of locks.
ALTER TABLE totals ALTER COLUMN name TYPE text COLLATE "C";
-- Once more than a handful of rows: less room in a page, still enough to keep an update in place (HOT).
ALTER TABLE totals SET (fillfactor = 50);
COMMENT ON TABLE totals IS 'Running totals; the name of the contract''s one total, of all additions without a name, is empty.';

COMMENT ON TABLE foreign_totals IS
    'Total of the events without a lane, of all names; with the sums of lane_marks it makes the sum of totals.';

CREATE TABLE named_foreign_totals (
    name text COLLATE "C" PRIMARY KEY,
    count numeric NOT NULL,
    sum numeric NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE named_foreign_totals IS
    'What events without a lane brought to each named total; without it, the total is what the adder''s lanes have of the name.';

ALTER TABLE parked ADD COLUMN total text;
COMMENT ON COLUMN parked.total IS 'The name of the total that the event counts in; null for the contract''s one total.';
