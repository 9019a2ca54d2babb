-- Rows of some length, in a tree that is ordered by random keys, are each on a page of their own, which each change writes
-- whole. Ordered by when they were inserted, those that change together share theirs.
CREATE TABLE reservations_moved (
    order_id TEXT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    lines TEXT NOT NULL,
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    expire_us BIGINT CHECK (expire_us IS NOT NULL OR state = 3)
);
INSERT INTO reservations_moved SELECT * FROM reservations ORDER BY create_us;
DROP TABLE reservations;
ALTER TABLE reservations_moved RENAME TO reservations;
CREATE INDEX reservations_due ON reservations (expire_us) WHERE state = 1;
