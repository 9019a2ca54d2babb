-- Carts. Items are read and written as a whole, hence JSON: [product, quantity, create_us], in the order they were first
-- added. The currency is that of all items, '' where there are none. Times are microseconds since 1970; a cart is over 90 days
-- after update_us.
CREATE TABLE carts (
    cart_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    items TEXT NOT NULL,
    currency TEXT NOT NULL CHECK ((currency = '') = (items = '[]')),
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

-- What the search for expired ones reads.
CREATE INDEX carts_updated ON carts (update_us);

-- This service's copy of the catalog, as its feed says it. State 1 is active, 2 discontinued, 3 deleted: one that is deleted
-- stays as it was last, for the carts that have it.
CREATE TABLE products (
    product_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    price_minor BIGINT NOT NULL,
    picture_uri TEXT NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 3)
);

-- Has its row once the copy was complete for the first time.
CREATE TABLE catalog_copy (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    complete_us BIGINT NOT NULL
);
