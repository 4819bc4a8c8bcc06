-- Roles and schemas: one for each service, and none sees another's. Run as a superuser, in the database of Afterhello,
-- with psql; it can be run again, which sets the passwords anew:
--   docker compose up -d postgres && docker compose exec postgres psql -d afterhello -f /docker-entrypoint-initdb.d/afterhello.sql
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\getenv owner_password OWNER_PASSWORD
\getenv intake_password INTAKE_PASSWORD
\getenv scheduler_password SCHEDULER_PASSWORD
\getenv notifier_password NOTIFIER_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['afterhello_owner', 'afterhello_intake', 'afterhello_scheduler', 'afterhello_notifier']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE afterhello_owner PASSWORD :'owner_password';
ALTER ROLE afterhello_intake PASSWORD :'intake_password';
ALTER ROLE afterhello_scheduler PASSWORD :'scheduler_password';
ALTER ROLE afterhello_notifier PASSWORD :'notifier_password';

-- Only these roles may connect at all, and nobody leaves things in `public`.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT, CREATE ON DATABASE %I TO afterhello_owner', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO afterhello_intake, afterhello_scheduler, afterhello_notifier', current_database())
\gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- `afterhello migrate` runs as the owner. The services read and write rows, and change no table.
CREATE SCHEMA IF NOT EXISTS intake AUTHORIZATION afterhello_owner;
CREATE SCHEMA IF NOT EXISTS scheduler AUTHORIZATION afterhello_owner;
CREATE SCHEMA IF NOT EXISTS notifier AUTHORIZATION afterhello_owner;
CREATE SCHEMA IF NOT EXISTS stops AUTHORIZATION afterhello_owner;

GRANT USAGE ON SCHEMA intake TO afterhello_intake;
GRANT USAGE ON SCHEMA scheduler TO afterhello_scheduler;
GRANT USAGE ON SCHEMA notifier TO afterhello_notifier;
-- The one thing shared: intake writes that somebody said stop, the notifier reads it right before it sends.
GRANT USAGE ON SCHEMA stops TO afterhello_intake, afterhello_notifier;

ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA intake
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO afterhello_intake;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA intake
    GRANT USAGE ON SEQUENCES TO afterhello_intake;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA scheduler
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO afterhello_scheduler;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA scheduler
    GRANT USAGE ON SEQUENCES TO afterhello_scheduler;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA notifier
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO afterhello_notifier;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA notifier
    GRANT USAGE ON SEQUENCES TO afterhello_notifier;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA stops
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO afterhello_intake;
ALTER DEFAULT PRIVILEGES FOR ROLE afterhello_owner IN SCHEMA stops
    GRANT SELECT ON TABLES TO afterhello_notifier;
