-- name: identity
-- Who the session is, where it is, and which server answers: proof of a login and of a working SELECT. Last, how much of
-- its WAL waits since the archive refused some: what is refused in the last moment of a server is counted for ever.
SELECT current_user, current_database(), split_part(current_setting('server_version'), ' ', 1), coalesce((
    SELECT format('%s segments wait, %s was refused at %s', waiting, last_failed_wal, last_failed_time)
    FROM pg_stat_archiver, (SELECT count(*) AS waiting FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS w
    WHERE waiting > 0 AND last_failed_time > coalesce(last_archived_time, '-infinity')), '');
