CREATE TABLE federation_genesis (
    federation $TEXT NOT NULL PRIMARY KEY, digest $TEXT NOT NULL, body $TEXT NOT NULL,
    pinned_at $INT NOT NULL, confirmed_at $INT NOT NULL);
CREATE TABLE federation_entry (
    federation $TEXT NOT NULL, number $INT NOT NULL, digest $TEXT NOT NULL, body $TEXT NOT NULL,
    adopted_at $INT NOT NULL, PRIMARY KEY (federation, number));
CREATE TABLE federation_proposal (
    digest $TEXT NOT NULL PRIMARY KEY, federation $TEXT NOT NULL, number $INT NOT NULL, body $TEXT NOT NULL,
    proposed_at $INT NOT NULL);
CREATE INDEX federation_proposal_of ON federation_proposal (federation, number);
CREATE TABLE federation_endorsement (
    proposal $TEXT NOT NULL, key $TEXT NOT NULL, signature $TEXT NOT NULL, endorsed_at $INT NOT NULL,
    PRIMARY KEY (proposal, key))
