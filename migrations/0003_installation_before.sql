CREATE TABLE installation (
    name   text COLLATE "C" PRIMARY KEY,
    value  text NOT NULL
);
