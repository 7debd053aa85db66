CREATE TABLE identity_account (
    name $TEXT NOT NULL PRIMARY KEY, person $TEXT NOT NULL, password $TEXT, disabled $INT NOT NULL,
    created_at $INT NOT NULL, changed_at $INT NOT NULL);
CREATE TABLE identity_role (
    account $TEXT NOT NULL REFERENCES identity_account (name), role $TEXT NOT NULL, PRIMARY KEY (account, role));
CREATE INDEX identity_role_role ON identity_role (role);
CREATE TABLE identity_application (
    name $TEXT NOT NULL PRIMARY KEY, title $TEXT NOT NULL, matter $TEXT NOT NULL, retired $INT NOT NULL,
    created_at $INT NOT NULL);
CREATE TABLE identity_token (
    id $TEXT NOT NULL PRIMARY KEY, digest $BYTES NOT NULL UNIQUE,
    account $TEXT REFERENCES identity_account (name), application $TEXT REFERENCES identity_application (name),
    scopes $TEXT NOT NULL, created_at $INT NOT NULL, expires_at $INT NOT NULL, revoked_at $INT, last_day $TEXT);
CREATE INDEX identity_token_account ON identity_token (account);
CREATE INDEX identity_token_application ON identity_token (application);
CREATE TABLE identity_attempt (
    name $TEXT NOT NULL PRIMARY KEY, count $INT NOT NULL, since $INT NOT NULL);
CREATE INDEX identity_attempt_since ON identity_attempt (since)
