-- name: identity
-- Who the session is, where it is, and which server answers: proof of a login and of a working SELECT.
SELECT current_user, current_database(), split_part(current_setting('server_version'), ' ', 1);
