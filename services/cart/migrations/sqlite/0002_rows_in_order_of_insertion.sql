-- Rows of some length, in a tree that is ordered by random keys, are each on a page of their own, which each change writes
-- whole. Ordered by when they were inserted, those that change together share theirs.
CREATE TABLE carts_moved (
    cart_id TEXT NOT NULL PRIMARY KEY,
    items TEXT NOT NULL,
    currency TEXT NOT NULL CHECK ((currency = '') = (items = '[]')),
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
INSERT INTO carts_moved SELECT * FROM carts ORDER BY create_us;
DROP TABLE carts;
ALTER TABLE carts_moved RENAME TO carts;
CREATE INDEX carts_updated ON carts (update_us);
