-- name: set_password
-- Gives a role another password; role and password are psql variables, quoted by psql.
ALTER ROLE :"role" PASSWORD :'password';

-- name: moment
-- The server's time in ISO 8601: the clock by which WAL says when something was committed.
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
