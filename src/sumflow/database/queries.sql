-- name: wait_for_migrations
-- Wait until nobody else changes the schema; the lock ends with the session.
SELECT pg_advisory_lock(%(key)s);

-- name: open_transactions
-- The oldest transactions with locks on tables of this database, those of migrations left out.
SELECT a.pid, a.application_name, coalesce(a.state, 'unknown'), extract(epoch FROM clock_timestamp() - a.xact_start)::bigint
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid()
  AND a.application_name <> %(migrations)s
  AND EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted)
ORDER BY a.xact_start
LIMIT 3;
