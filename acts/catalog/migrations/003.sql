-- Compilation 目录编制. A dossier 案卷 is one thing of it (a duty, a matter, an information system, an entry on its way)
-- with every version that it ever had: who, when, why.
CREATE TABLE catalog_dossier (
    kind $TEXT NOT NULL, name $TEXT NOT NULL, version $INT NOT NULL, state $TEXT NOT NULL, owner $TEXT NOT NULL,
    body $TEXT NOT NULL, at $INT NOT NULL, PRIMARY KEY (kind, name));
CREATE INDEX catalog_dossier_state ON catalog_dossier (kind, state, name);
CREATE TABLE catalog_dossier_past (
    kind $TEXT NOT NULL, name $TEXT NOT NULL, version $INT NOT NULL, state $TEXT NOT NULL, act $TEXT NOT NULL,
    actor $TEXT NOT NULL, why $TEXT NOT NULL, body $TEXT NOT NULL, at $INT NOT NULL,
    PRIMARY KEY (kind, name, version));
CREATE TABLE catalog_dossier_link (
    kind $TEXT NOT NULL, name $TEXT NOT NULL, to_kind $TEXT NOT NULL, to_name $TEXT NOT NULL,
    PRIMARY KEY (kind, name, to_kind, to_name));
CREATE INDEX catalog_dossier_link_to ON catalog_dossier_link (to_kind, to_name);
-- Codes are drawn from here: the next serial number of a front (class, item, subject, detail); none is given twice.
CREATE TABLE catalog_front (front $TEXT NOT NULL PRIMARY KEY, next $INT NOT NULL)
