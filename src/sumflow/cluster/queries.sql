-- name: set_password
-- Gives a role another password; role and password are psql variables, quoted by psql.
ALTER ROLE :"role" PASSWORD :'password';
