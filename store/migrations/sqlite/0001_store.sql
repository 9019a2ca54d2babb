-- The events of this service, in the order of their commits. AUTOINCREMENT: without it positions would begin again once
-- retention has removed the newest row. INTEGER, not BIGINT: only that is the row's number.
CREATE TABLE store_outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    time_us BIGINT NOT NULL,
    traceparent TEXT,
    payload BLOB NOT NULL
);

-- One row: the feed's name, which cursors carry, and the newest position that retention removed.
CREATE TABLE store_feed (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    feed TEXT NOT NULL,
    floor BIGINT NOT NULL
);

-- How often each key changed. A row outlives what it counts, so that a revision never goes back.
CREATE TABLE store_revision (
    key TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
) WITHOUT ROWID;

-- Answers that are given again to the same request. No expiry: for ever.
CREATE TABLE store_request (
    scope TEXT NOT NULL,
    rpc TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer BLOB NOT NULL,
    expire_us BIGINT,
    PRIMARY KEY (scope, rpc, request_id)
) WITHOUT ROWID;

CREATE INDEX store_request_expire ON store_request (expire_us) WHERE expire_us IS NOT NULL;

-- How far each feed that this service follows was applied, and which replica follows it now. The lease's number rises with
-- every new holder, so that an old one's late commit is refused.
CREATE TABLE store_inbox (
    source TEXT PRIMARY KEY,
    feed TEXT NOT NULL,
    position BIGINT NOT NULL,
    lease_holder TEXT,
    lease_number BIGINT NOT NULL,
    lease_until_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL
);

-- The newest revision that was applied of each followed key, deleted ones included.
CREATE TABLE store_inbox_revision (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;

-- Events that could not be applied, whole, so that they can be replayed.
CREATE TABLE store_dead_letter (
    source TEXT NOT NULL,
    feed TEXT NOT NULL,
    position BIGINT NOT NULL,
    event BLOB NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    time_us BIGINT NOT NULL,
    replay_us BIGINT,
    PRIMARY KEY (source, feed, position)
);
