-- Schema 1. Instants are microseconds since the Unix epoch, UTC.

CREATE TABLE calls (
    key      INTEGER PRIMARY KEY,            -- stays a call's own from its first row to its last
    id       TEXT    NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 200),
    sid      TEXT,
    version  INTEGER NOT NULL,               -- a row is only ever replaced by one of a higher version
    outcome  TEXT,                           -- NULL: the call is live
    ended_at INTEGER,
    deadline INTEGER,
    body     TEXT    NOT NULL CHECK (length(body) <= 1048576),
    context  TEXT             CHECK (length(context) <= 65536)
) STRICT;

CREATE INDEX calls_live  ON calls (key) WHERE outcome IS NULL;
CREATE INDEX calls_sid   ON calls (sid) WHERE sid IS NOT NULL;
CREATE INDEX calls_ended ON calls (ended_at DESC, id, outcome) WHERE ended_at IS NOT NULL;

-- When requests left for the platform: a restart does not begin a new quota.
CREATE TABLE requests (
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX requests_at ON requests (at);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
