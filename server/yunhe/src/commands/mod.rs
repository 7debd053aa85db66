//! The commands, one file each.

pub mod agree;
pub mod answer;
pub mod application;
pub mod appoint;
pub mod audit;
pub mod backup;
pub mod bulletin;
pub mod call;
pub mod catalog;
pub mod chain;
pub mod compile;
pub mod deliver;
pub mod demand;
pub mod doctor;
pub mod federation;
pub mod import;
pub mod init;
pub mod key;
pub mod log;
pub mod notice;
pub mod objection;
pub mod offer;
pub mod openapi;
pub mod pack;
pub mod propose;
pub mod pull;
pub mod query;
pub mod receipt;
pub mod record;
pub mod report;
pub mod request;
pub mod restore;
pub mod revoke;
pub mod schemas;
pub mod serve;
pub mod source;
pub mod template;
pub mod token;
pub mod user;

use crate::cli::Command;
use crate::context::Context;
use crate::exit::Failure;
use ::catalog::compile::ThingKind;

/// Carries out a command.
///
/// # Errors
/// The command's problem with the exit code that it means.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Init(it) => it.run(context).await,
        Command::Serve(it) => it.run(context).await,
        Command::Pack(it) => it.run(context).await,
        Command::Import(it) => it.run(context).await,
        Command::Source(it) => it.run(context).await,
        Command::Record(it) => it.run(context).await,
        Command::Catalog(it) => it.run(context).await,
        Command::Demand(it) => it.run(context).await,
        Command::Duty(it) => it.run(ThingKind::Duty, context).await,
        Command::Matter(it) => it.run(ThingKind::Matter, context).await,
        Command::System(it) => it.run(ThingKind::System, context).await,
        Command::Offer(it) => it.run(context).await,
        Command::Request(it) => it.run(context).await,
        Command::Answer(it) => it.run(context).await,
        Command::Agree(it) => it.run(context).await,
        Command::Revoke(it) => it.run(context).await,
        Command::Query(it) => it.run(context).await,
        Command::Call(it) => it.run(context).await,
        Command::Pull(it) => it.run(context).await,
        Command::Deliver(it) => it.run(context).await,
        Command::Receipt(it) => it.run(context).await,
        Command::Bulletin(it) => it.run(context).await,
        Command::Objection(it) => it.run(context).await,
        Command::Notice(it) => it.run(context).await,
        Command::Number(it) => it.run(context).await,
        Command::Log(it) => it.run(context).await,
        Command::Backup(it) => it.run(context).await,
        Command::Restore(it) => it.run(context).await,
        Command::Doctor(it) => it.run(context).await,
        Command::Key(it) => it.run(context).await,
        Command::Federation(it) => it.run(context).await,
        Command::User(it) => it.run(context).await,
        Command::Token(it) => it.run(context).await,
        Command::Application(it) => it.run(context).await,
        Command::Appoint(it) => it.run(context).await,
        Command::Audit(it) => it.run(context).await,
        Command::Demo(it) => it.run(context).await,
        Command::Schemas(it) => it.run(context),
        Command::Openapi(it) => it.run(context),
    }
}
