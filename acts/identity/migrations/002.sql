UPDATE identity_role SET role = 'system-administrator' WHERE role = 'administrator';
UPDATE identity_role SET role = 'audit-administrator' WHERE role = 'auditor';
DELETE FROM identity_role
 WHERE role NOT IN ('system-administrator', 'security-administrator', 'audit-administrator')
   AND account IN (SELECT account FROM identity_role
                    WHERE role IN ('system-administrator', 'security-administrator', 'audit-administrator'));
UPDATE identity_token SET revoked_at = created_at
 WHERE revoked_at IS NULL
   AND account IN (SELECT account FROM identity_role
                    WHERE role IN ('system-administrator', 'security-administrator', 'audit-administrator'));
CREATE UNIQUE INDEX identity_role_administers ON identity_role (account)
 WHERE role IN ('system-administrator', 'security-administrator', 'audit-administrator');
ALTER TABLE identity_account ADD COLUMN pepper $INT NOT NULL DEFAULT 0;
ALTER TABLE identity_account ADD COLUMN must_change $INT NOT NULL DEFAULT 0;
ALTER TABLE identity_account ADD COLUMN awaits_unlock $INT NOT NULL DEFAULT 0;
ALTER TABLE identity_account ADD COLUMN password_at $INT NOT NULL DEFAULT 0;
UPDATE identity_account SET password_at = changed_at;
CREATE TABLE identity_password (
    account $TEXT NOT NULL REFERENCES identity_account (name), ended_at $INT NOT NULL, password $TEXT NOT NULL,
    pepper $INT NOT NULL, PRIMARY KEY (account, ended_at));
CREATE TABLE identity_factor (
    account $TEXT NOT NULL PRIMARY KEY REFERENCES identity_account (name), salt $BYTES NOT NULL, pepper $INT NOT NULL,
    confirmed $INT NOT NULL, last_step $INT NOT NULL, made_at $INT NOT NULL);
CREATE TABLE identity_recovery (
    account $TEXT NOT NULL REFERENCES identity_account (name), digest $BYTES NOT NULL, PRIMARY KEY (account, digest));
ALTER TABLE identity_token ADD COLUMN factor $INT NOT NULL DEFAULT 0;
ALTER TABLE identity_token ADD COLUMN seen_at $INT NOT NULL DEFAULT 0;
ALTER TABLE identity_attempt ADD COLUMN span $INT NOT NULL DEFAULT 900000000
