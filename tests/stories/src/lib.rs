//! Stories: whole nodes over HTTP, on both databases, with a clock the story moves. No mocks, no sleeping.
#![cfg(test)]

mod administrators;
mod attachments;
mod audit;
mod away;
mod backup;
mod bad_input;
mod batch;
mod bureau;
mod calls;
mod catalogue;
mod compilation;
mod deliver;
mod deliver_outside;
mod faults;
mod faults_of_setup;
mod filters;
mod kill;
mod liar;
mod live;
mod main_job;
mod membership;
mod objections;
mod outside;
mod page;
mod previous;
mod proof;
mod races;
mod refusals;
mod rotation;
mod routes;
mod rows;
mod sign_in;
mod sources;
mod suites;
mod walls;
