//! The node: wires the acts into an organisation that acts. No HTTP here: `web` hands in what came, and sends what
//! comes out.
//!
//! A process holds a bounded set of [`Organisation`] handles, each with its own database, log, keys and blobs; all
//! state hangs on the handle, so two organisations in one process share nothing but the process.

mod access;
mod accounts;
mod administrators;
mod agreements;
mod attachments;
mod audit;
mod backup;
mod batch;
mod calls;
mod cascade;
mod catalogs;
mod clock;
mod clocks;
mod compilations;
mod config;
mod dcat;
mod deliveries;
mod delivering;
mod demands;
pub mod doctor;
mod draw;
mod encode;
mod figures;
mod follows;
mod imports;
mod jobs;
mod keys;
mod live;
mod membership;
mod numbers;
mod objections;
mod organisation;
mod packs;
mod parcels;
mod people;
mod proposals;
mod pulls;
mod queries;
mod receipts;
mod reclaim;
mod recorded;
mod records;
mod reminders;
mod requests;
mod restore;
mod rows;
mod settings;
mod sources;
mod store;
mod systems;
mod tables;
mod taking;
mod targets;
mod templates;

pub use access::{Incoming, Outcome};
pub use accounts::{Accounts, AccountsAsk, Figure, FigureName, Proof, ProofAsk, RATES, Rate};
pub use administrators::{OFFICES, appoint, office_word};
pub use attachments::AttachmentDraft;
pub use audit::{
    ACTS, ActView, ActsAsk, ActsPage, Called, ExportActsAsk, ExportBegun, Exported, ExportedAsk, NOTE_MINUTES,
    act_title, leave_on_machine,
};
pub use backup::{FeedState, FileState, LogState, Manifest, back_up, organisations_in, verify_backup};
pub use calls::{CallAnswer, CallAsk};
pub use cascade::{Followed, LevelsAsk, ReportAct};
pub use catalogs::SearchAsk;
pub use clock::{Clock, ManualClock, SystemClock};
pub use compilations::{
    CloseAsk, CompilationLine, CompilationView, CompileAsk, DossiersAsk, MomentAsk, ThingLine, ThingView, ThingsAsk,
};
pub use config::{NodeConfig, OrganisationConfig};
pub use dcat::{DCAT_PATH, DcatAsk, DcatPage};
pub use deliveries::{PlanAsk, RunAsk};
pub use demands::DemandView;
pub use draw::{draw_bytes, draw_salt, draw_uuid};
pub use figures::Figures;
pub use imports::{ImportAsk, ImportReport};
pub use jobs::{JobState, Jobs};
pub use keys::SPREAD;
pub use membership::{Card, init, make_card};
pub use numbers::{NumberAsk, Numbered};
pub use objections::{ConfirmationDraft, ObjectionDraft, ObjectionsAsk, RulingDraft};
pub use organisation::{Organisation, migrate as make_tables};
pub use packs::{InstalledPack, Packs};
pub use parcels::PART_ROWS;
pub use people::{
    ApplicationView, Credentials, Enrolled, Enrolling, IssuedToken, NewApplication, NewToken, NewUser, OpenedUser,
    TokenView, UserView,
};
pub use proposals::ProposeAsk;
pub use pulls::PullAsk;
pub use queries::{QueryAnswer, QueryAsk};
pub use reclaim::Reclaimed;
pub use records::{Page, PageAsk, TypeView};
pub use reminders::RequestsAsk;
pub use requests::{AnswerDraft, OfferView, RequestDraft, ServiceView};
pub use restore::{BACKUP_DAYS_MAX, RestoreAsk, Restored, restore};
pub use rows::{DigestAsk, Outcome as RowOutcome, PutAsk, PutReport, RemoveAsk};
pub use sources::{SourceCheck, SourceView, TakeAsk, TakingView};
pub use systems::{Connection, SLEEPING_DAYS, SystemLine, SystemsAsk};
pub use templates::{ExportAsk, LegalList, ListAsk, ListLine, ListPage, TemplateAsk};

/// Organisations in one process at most.
pub const ORGANISATIONS_MAX: usize = 256;
