-- Lists within a product (paths, pictures, attributes) are read and written as a whole, hence JSON. Prices are minor units of
-- `currency`; a rating's average is hundredths of stars; state 1 is active, 2 discontinued; times are microseconds since 1970.
CREATE TABLE products (
    product_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    brand TEXT NOT NULL,
    categories TEXT NOT NULL,
    currency TEXT NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0),
    list_price BIGINT CHECK (list_price >= 0),
    pictures TEXT NOT NULL,
    attributes TEXT NOT NULL,
    rating BIGINT CHECK (rating BETWEEN 100 AND 500),
    rating_count BIGINT CHECK (rating_count >= 0),
    sku TEXT NOT NULL,
    state BIGINT NOT NULL CHECK (state IN (1, 2)),
    create_us BIGINT NOT NULL,
    update_us BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE INDEX products_brand ON products (brand, product_id);

-- One row for each category that a product is in, those above it included, so that "in it or below it" is an equality.
-- `category` and `parent` are digests of whole paths: the paths themselves may be longer than an index allows. The parent of
-- a root category is empty. Brand and state are the product's, so that a page is one range of one index.
CREATE TABLE product_categories (
    category TEXT NOT NULL,
    product_id TEXT NOT NULL,
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    brand TEXT NOT NULL,
    state BIGINT NOT NULL,
    PRIMARY KEY (category, product_id)
) WITHOUT ROWID;

CREATE INDEX product_categories_brand ON product_categories (category, brand, product_id);
CREATE INDEX product_categories_parent ON product_categories (parent, category);
CREATE INDEX product_categories_product ON product_categories (product_id);
