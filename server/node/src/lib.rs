//! The node: wires the acts into an organisation that acts. No HTTP here: `web` hands in what came, and sends what
//! comes out.
//!
//! A process holds a bounded set of [`Organisation`] handles, each with its own database, log, keys and blobs; all
//! state hangs on the handle, so two organisations in one process share nothing but the process.

mod access;
mod agreements;
mod batch;
mod catalogs;
mod clock;
mod config;
mod dcat;
mod draw;
mod encode;
mod imports;
mod jobs;
mod membership;
mod organisation;
mod packs;
mod parcels;
mod people;
mod pulls;
mod queries;
mod receipts;
mod records;
mod requests;
mod rows;
mod store;

pub use access::{Incoming, Outcome};
pub use catalogs::SearchAsk;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{NodeConfig, OrganisationConfig};
pub use dcat::{DCAT_PATH, DcatAsk, DcatPage};
pub use draw::{draw_bytes, draw_salt, draw_uuid};
pub use imports::{ImportAsk, ImportReport};
pub use jobs::Jobs;
pub use membership::{Card, init, make_card};
pub use organisation::Organisation;
pub use packs::{InstalledPack, Packs};
pub use parcels::PART_ROWS;
pub use people::{Credentials, IssuedToken, NewToken, NewUser, TokenView, UserView};
pub use pulls::PullAsk;
pub use queries::{QueryAnswer, QueryAsk};
pub use records::{Page, PageAsk, TypeView};
pub use requests::{AnswerDraft, OfferView, RequestDraft};
pub use rows::{DigestAsk, Outcome as RowOutcome, PutAsk, PutReport, RemoveAsk};

/// Organisations in one process at most.
pub const ORGANISATIONS_MAX: usize = 256;
