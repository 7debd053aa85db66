CREATE TABLE catalog_entry (
    organisation $TEXT NOT NULL, entry $TEXT NOT NULL, code $TEXT NOT NULL, revision $INT NOT NULL,
    digest $TEXT NOT NULL, body $TEXT, via $TEXT, at $INT NOT NULL, PRIMARY KEY (organisation, entry));
CREATE INDEX catalog_entry_code ON catalog_entry (code);
CREATE UNIQUE INDEX catalog_entry_own_code ON catalog_entry (code) WHERE via IS NULL AND body IS NOT NULL;
CREATE INDEX catalog_entry_via ON catalog_entry (via);
CREATE TABLE catalog_source (
    organisation $TEXT NOT NULL PRIMARY KEY, epoch $TEXT NOT NULL, position $INT NOT NULL, at $INT NOT NULL)
