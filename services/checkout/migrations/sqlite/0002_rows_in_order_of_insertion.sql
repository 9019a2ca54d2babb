-- Rows of some length, in a tree that is ordered by random keys, are each on a page of their own, which each change writes
-- whole. Ordered by when they were inserted, those that change together share theirs.
CREATE TABLE orders_moved (
    order_id TEXT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 11),
    step_since_us BIGINT,
    wake_us BIGINT,
    lease BIGINT NOT NULL,
    contact_email TEXT NOT NULL,
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision > 0),
    placed TEXT NOT NULL,
    progress TEXT NOT NULL,
    CHECK (step_since_us IS NOT NULL OR state IN (5, 6, 7, 9, 10))
);
INSERT INTO orders_moved SELECT * FROM orders ORDER BY create_us;
DROP TABLE orders;
ALTER TABLE orders_moved RENAME TO orders;
CREATE INDEX orders_due ON orders (wake_us) WHERE wake_us IS NOT NULL;
CREATE INDEX orders_placed ON orders (create_us, order_id);
CREATE INDEX orders_unfinished ON orders (create_us, order_id) WHERE step_since_us IS NOT NULL;
CREATE INDEX orders_contact ON orders (contact_email, create_us, order_id);

CREATE TABLE order_events_moved (
    order_id TEXT NOT NULL PRIMARY KEY,
    kind BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    time_us BIGINT NOT NULL,
    payload BLOB NOT NULL
);
INSERT INTO order_events_moved SELECT * FROM order_events ORDER BY time_us;
DROP TABLE order_events;
ALTER TABLE order_events_moved RENAME TO order_events;
