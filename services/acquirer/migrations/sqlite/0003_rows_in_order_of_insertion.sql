-- Rows of some length, in a tree that is ordered by random keys, are each on a page of their own, which each change writes
-- whole. Ordered by when they were inserted, those that change together share theirs.
CREATE TABLE charges_moved (
    payment_id TEXT NOT NULL PRIMARY KEY,
    reference TEXT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    currency TEXT,
    amount_minor BIGINT CHECK (amount_minor > 0),
    fingerprint BLOB,
    last_four TEXT NOT NULL,
    reason BIGINT NOT NULL,
    create_us BIGINT NOT NULL,
    expire_us BIGINT,
    CHECK (amount_minor IS NOT NULL OR state = 4)
);
INSERT INTO charges_moved SELECT * FROM charges ORDER BY create_us;
DROP TABLE charges;
ALTER TABLE charges_moved RENAME TO charges;
