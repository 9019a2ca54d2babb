-- The tables of followed feeds as they are needed: a cursor is opaque. Nothing was ever written to those of before.
DROP TABLE store_inbox;
DROP TABLE store_inbox_revision;
DROP TABLE store_dead_letter;

-- How far each feed that this service follows was applied, and which replica follows it now. An empty cursor: from a
-- snapshot; `snapshot` numbers them. The lease's number rises with every new holder, so that an old one's late commit is
-- refused.
CREATE TABLE store_inbox (
    source TEXT PRIMARY KEY,
    cursor TEXT NOT NULL,
    position BIGINT NOT NULL,
    snapshot BIGINT NOT NULL,
    lease_holder TEXT,
    lease_number BIGINT NOT NULL,
    lease_until_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL
);

-- The newest revision that was applied of each followed key, deleted ones included; the last snapshot that named it; and
-- whether it has to be removed when a snapshot does not.
CREATE TABLE store_inbox_revision (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    snapshot BIGINT NOT NULL,
    present BIGINT NOT NULL,
    PRIMARY KEY (source, key)
);

-- Events that could not be applied, whole, so that they can be replayed.
CREATE TABLE store_dead_letter (
    source TEXT NOT NULL,
    position BIGINT NOT NULL,
    key TEXT NOT NULL,
    event BYTEA NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    time_us BIGINT NOT NULL,
    PRIMARY KEY (source, position, key)
);
