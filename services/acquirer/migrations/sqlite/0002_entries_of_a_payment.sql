-- What an audit reads: the ledger by payments.
CREATE INDEX entries_payment ON entries (payment_id, number);
