-- What is open to the public (开放属性) is read by strangers, a page at a time: it needs no look into other entries.
ALTER TABLE catalog_entry ADD COLUMN open $INT NOT NULL DEFAULT 0;
UPDATE catalog_entry SET open = 1 WHERE body LIKE '%"open":true%';
CREATE INDEX catalog_entry_open ON catalog_entry (organisation, entry) WHERE open = 1 AND body IS NOT NULL
