-- 一数一源: the department that is the source of a datum, from the publication of the entry that collects it.
CREATE TABLE catalog_element (
    element $TEXT NOT NULL PRIMARY KEY, owner $TEXT NOT NULL, entry $TEXT NOT NULL, at $INT NOT NULL);
CREATE INDEX catalog_element_entry ON catalog_element (entry)
