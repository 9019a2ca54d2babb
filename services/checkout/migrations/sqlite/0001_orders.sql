-- One order a row. What was placed never changes; what becomes of it is read and written as a whole, hence JSON, beside the
-- columns that rows are found by. Times are microseconds since 1970.
--
-- State: 1 pending, 2 reserved, 3 authorized, 4 confirmed, 5 captured, 6 fulfilled, 7 failed, 8 cancelling, 9 cancelled,
-- 10 refunded, 11 needs attention.
CREATE TABLE orders (
    order_id TEXT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 11),
    -- Since when the next step is the next; NULL where there is none.
    step_since_us BIGINT,
    -- When somebody may take it up: when it is due, or, while somebody works on it, when their lease runs out.
    wake_us BIGINT,
    -- Counts those who took it up; what one of them writes fits only while nobody came after.
    lease BIGINT NOT NULL,
    contact_email TEXT NOT NULL,
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision > 0),
    placed TEXT NOT NULL,
    progress TEXT NOT NULL,
    CHECK (step_since_us IS NOT NULL OR state IN (5, 6, 7, 9, 10))
) WITHOUT ROWID;

-- What the driver looks for.
CREATE INDEX orders_due ON orders (wake_us) WHERE wake_us IS NOT NULL;
-- Lists, the newest first: all, those that are not at rest, and those of one contact.
CREATE INDEX orders_placed ON orders (create_us, order_id);
CREATE INDEX orders_unfinished ON orders (create_us, order_id) WHERE step_since_us IS NOT NULL;
CREATE INDEX orders_contact ON orders (contact_email, create_us, order_id);

-- The last event of each order that had one, for snapshots of the feed.
CREATE TABLE order_events (
    order_id TEXT NOT NULL PRIMARY KEY,
    kind BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    time_us BIGINT NOT NULL,
    payload BLOB NOT NULL
) WITHOUT ROWID;

-- What quotes are signed with, by every replica, for as long as the database lives.
CREATE TABLE quote_key (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    secret TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO quote_key (id, secret) VALUES (1, lower(hex(randomblob(32))));
