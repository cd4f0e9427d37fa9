-- What events without a lane brought to the total, kept apart: then the total is explained by other rows to the last unit.
-- depends: 0001-totals

CREATE TABLE foreign_totals (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    count numeric NOT NULL,
    sum numeric NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE foreign_totals IS 'Total of the events without a lane; with the sums of lane_marks it makes the row '''' of totals.';

-- Nobody counts between the reading and the writing of the next statement; the order of the locks is the totalizer's.
LOCK TABLE lane_marks, totals IN SHARE MODE;
INSERT INTO foreign_totals (count, sum)
SELECT t.count - coalesce(l.count, 0), t.sum - coalesce(l.sum, 0)
FROM totals t, (SELECT sum(count) AS count, sum(sum) AS sum FROM lane_marks) l
WHERE t.name = '';
