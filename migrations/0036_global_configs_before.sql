-- Settings of the whole service; `chosen` is what an administrator has set in place of the default.
CREATE TABLE global_configs (
    uuid           text COLLATE "C" CONSTRAINT global_configs_pkey PRIMARY KEY,
    category       text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    description    text NOT NULL,
    default_value  text NOT NULL,
    chosen         text,
    CONSTRAINT global_configs_name_key UNIQUE (category, name)
);
