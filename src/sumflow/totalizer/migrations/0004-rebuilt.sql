-- What of a lane a rebuild counted from the adder's database: the topic need not have had it.
-- depends: 0003-named-totals

ALTER TABLE lane_marks ADD COLUMN rebuilt_to bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN lane_marks.rebuilt_to IS
    'Up to this seq the lane was counted from the adder''s database by a rebuild, the last time there was one.';
