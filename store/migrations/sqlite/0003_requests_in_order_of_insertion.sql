-- Rows of some length, in a tree that is ordered by random keys, are each on a page of their own, which each change writes
-- whole. Ordered by when they were inserted, those that change together share theirs.
CREATE TABLE store_request_moved (
    scope TEXT NOT NULL,
    rpc TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer BLOB NOT NULL,
    expire_us BIGINT,
    PRIMARY KEY (scope, rpc, request_id)
);
INSERT INTO store_request_moved SELECT * FROM store_request;
DROP TABLE store_request;
ALTER TABLE store_request_moved RENAME TO store_request;
CREATE INDEX store_request_expire ON store_request (expire_us) WHERE expire_us IS NOT NULL;
