-- Rows of some length, in a tree that is ordered by random keys, are each on a page of their own, which each change writes
-- whole. Ordered by when they were inserted, those that change together share theirs.
CREATE TABLE cards_moved (
    card_token TEXT NOT NULL PRIMARY KEY,
    brand BIGINT NOT NULL,
    last_four TEXT NOT NULL,
    expiry_year BIGINT NOT NULL,
    expiry_month BIGINT NOT NULL,
    number_sealed BLOB NOT NULL,
    code_sealed BLOB,
    payment_id TEXT,
    create_us BIGINT NOT NULL,
    expire_us BIGINT NOT NULL
);
INSERT INTO cards_moved SELECT * FROM cards ORDER BY create_us;
DROP TABLE cards;
ALTER TABLE cards_moved RENAME TO cards;
CREATE INDEX cards_due ON cards (expire_us) WHERE code_sealed IS NOT NULL OR payment_id IS NULL;

CREATE TABLE payments_moved (
    payment_id TEXT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 7),
    card_token TEXT,
    currency TEXT,
    amount_minor BIGINT CHECK (amount_minor > 0),
    decline_reason BIGINT NOT NULL,
    processor_reference TEXT NOT NULL,
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    expire_us BIGINT,
    revision BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    due_us BIGINT,
    CHECK (amount_minor IS NOT NULL OR state IN (6, 7))
);
INSERT INTO payments_moved SELECT * FROM payments ORDER BY create_us;
DROP TABLE payments;
ALTER TABLE payments_moved RENAME TO payments;
CREATE INDEX payments_newest ON payments (create_us, payment_id);
CREATE INDEX payments_due ON payments (due_us) WHERE due_us IS NOT NULL;
