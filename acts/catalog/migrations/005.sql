-- Levels 级联. What subordinates reported: its revision as it was told, through whom, and where it stands here.
CREATE TABLE catalog_report (
    organisation $TEXT NOT NULL, entry $TEXT NOT NULL, revision $INT NOT NULL, digest $TEXT NOT NULL,
    source $TEXT NOT NULL, epoch $TEXT NOT NULL, state $TEXT NOT NULL, origin $TEXT NOT NULL, path $TEXT NOT NULL,
    at $INT NOT NULL, PRIMARY KEY (organisation, entry));
CREATE INDEX catalog_report_source ON catalog_report (source, epoch);
-- What each level said of an entry, the last word of each, with the number that it gave.
CREATE TABLE catalog_ruling (
    organisation $TEXT NOT NULL, entry $TEXT NOT NULL, giver $TEXT NOT NULL, revision $INT NOT NULL,
    verdict $TEXT NOT NULL, number $TEXT, document $TEXT NOT NULL, at $INT NOT NULL,
    PRIMARY KEY (organisation, entry, giver));
CREATE INDEX catalog_ruling_number ON catalog_ruling (number);
-- How far a neighbour's reports (up) and rulings (down) have been read.
CREATE TABLE catalog_level (
    peer $TEXT NOT NULL, direction $TEXT NOT NULL, epoch $TEXT NOT NULL, position $INT NOT NULL, at $INT NOT NULL,
    PRIMARY KEY (peer, direction))
