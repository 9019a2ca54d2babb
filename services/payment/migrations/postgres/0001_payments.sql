-- Cards by their tokens. The number and the code are sealed, each apart, with keys that are not here; the code is erased at
-- the authorization's outcome, or when the token's time is over. Times are microseconds since 1970.
CREATE TABLE cards (
    card_token TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    brand BIGINT NOT NULL,
    last_four TEXT NOT NULL,
    expiry_year BIGINT NOT NULL,
    expiry_month BIGINT NOT NULL,
    number_sealed BYTEA NOT NULL,
    code_sealed BYTEA,
    payment_id TEXT,
    create_us BIGINT NOT NULL,
    expire_us BIGINT NOT NULL
);

-- What the sweeper reads: codes that are left, and cards that no payment has used.
CREATE INDEX cards_due ON cards (expire_us) WHERE code_sealed IS NOT NULL OR payment_id IS NULL;

-- State 1 is authorizing, 2 authorized, 3 declined, 4 capturing, 5 captured, 6 voiding, 7 voided. One that was voided before
-- it was authorized has no amount and no card. `attempt` counts who was allowed to tell the processor; `due_us` is there while
-- something is in doubt, and says when it is to be looked into.
CREATE TABLE payments (
    payment_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
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

-- The order of lists.
CREATE INDEX payments_newest ON payments (create_us, payment_id);

-- What the reconciler reads.
CREATE INDEX payments_due ON payments (due_us) WHERE due_us IS NOT NULL;

-- In the order of their numbers. State 1 is pending, 2 done, 3 failed, which has a reason.
CREATE TABLE refunds (
    payment_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 3),
    reason TEXT NOT NULL,
    create_us BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    PRIMARY KEY (payment_id, number),
    UNIQUE (payment_id, refund_id)
);
