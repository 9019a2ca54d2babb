-- The units of each product. That they add up and never go below zero is checked here too, whoever writes. A row is never
-- deleted: its revision is that of the product's events. Times are microseconds since 1970.
CREATE TABLE stock (
    product_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    sold BIGINT NOT NULL CHECK (sold >= 0),
    received BIGINT NOT NULL CHECK (received <= 1000000000),
    update_us BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CHECK (on_hand + reserved + sold = received)
);

-- One reservation an order. State 1 is active, 2 committed, 3 released, 4 expired. Lines are read and written as a whole, hence
-- JSON: [product, quantity, returned], in the order they were asked for; none where it was released before it was made.
CREATE TABLE reservations (
    order_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    lines TEXT NOT NULL,
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    expire_us BIGINT CHECK (expire_us IS NOT NULL OR state = 3)
);

-- What the search for expired ones reads.
CREATE INDEX reservations_due ON reservations (expire_us) WHERE state = 1;
