-- A replica publishes its definitions with its first heartbeat, before it starts a saga, so whatever an
-- open saga pins stands in definition_seen, and whoever looks for sagas that nobody can move looks there
-- first. Sagas from before that table may pin what nobody has published since.
INSERT INTO definition_seen (name, version, fingerprint, seen_at)
SELECT DISTINCT definition, version, fingerprint, timestamptz 'epoch' FROM saga
ON CONFLICT DO NOTHING;
