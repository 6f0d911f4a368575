-- +goose Up
-- What customers enclose on their return page: their own words and pictures, which are personal and stand apart.
CREATE TABLE return_notes (
    order_key text NOT NULL,
    request   text NOT NULL,
    note      text NOT NULL CHECK (length(note) <= 2000),
    PRIMARY KEY (order_key, request),
    FOREIGN KEY (order_key, request) REFERENCES return_requests (order_key, id)
);
CREATE TABLE return_pictures (
    order_key  text NOT NULL,
    request    text NOT NULL,
    n          int NOT NULL CHECK (n BETWEEN 1 AND 10),
    media_type text NOT NULL CHECK (media_type IN ('image/jpeg', 'image/png')),
    body       bytea NOT NULL CHECK (octet_length(body) <= 8388608),
    PRIMARY KEY (order_key, request, n),
    FOREIGN KEY (order_key, request) REFERENCES return_requests (order_key, id)
);
-- Pictures are compressed already.
ALTER TABLE return_pictures ALTER COLUMN body SET STORAGE EXTERNAL;

-- +goose Down
DROP TABLE return_pictures, return_notes;
