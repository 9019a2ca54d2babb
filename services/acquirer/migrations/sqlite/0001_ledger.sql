-- One charge a payment. State 1 is authorized, 2 declined, 3 captured, 4 voided; one that was voided before it was authorized
-- has no amount and no card. Of a card only the last four digits and a keyed digest are here. Times are microseconds since
-- 1970.
CREATE TABLE charges (
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
) WITHOUT ROWID;

-- Money that went back, state 1, or was asked for and is kept, state 2. In the order of their numbers.
CREATE TABLE refunds (
    payment_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    refund_id TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 2),
    reason TEXT NOT NULL,
    PRIMARY KEY (payment_id, number),
    UNIQUE (payment_id, refund_id)
) WITHOUT ROWID;

-- The ledger. It is only added to. Operation 1 is an authorization, 2 a capture, 3 a void, 4 a refund.
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    payment_id TEXT NOT NULL,
    operation BIGINT NOT NULL CHECK (operation BETWEEN 1 AND 4),
    refund_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    create_us BIGINT NOT NULL
);

-- What is to go wrong, as JSON, and how often that was said.
CREATE TABLE faults (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    plan TEXT NOT NULL,
    revision BIGINT NOT NULL
);
