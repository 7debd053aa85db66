//! What every run begins with, made once: three members of one federation, the provider's pack with its first rows,
//! and an agreement under each offer. Nothing is numbered yet.

use crate::{
    Sabotage, Who,
    acts::{draft, everyone},
    draw::Draw,
    offer::{self, Offer, Table},
    world::World,
};
use exchange::{AgreementId, RequestId};
use federation::{Change, Entry, EntryBody, Format, Founder, Founders, Genesis, Travel, VERSION};
use node::{AnswerDraft, ImportAsk, OrganisationConfig};
use policy::{AnswerStep, Level, MemberRole};
use registry::ImportId;
use signing::{KeyRing, SigningKey};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use vocabulary::{Bilingual, FederationName, OrganisationId, ResourceId, Suite, Timestamp};

/// Small parts, so that a small table makes several.
const PART_ROWS: usize = 8;
/// A member acts on a view of at most this age.
const VIEW_HOURS: u32 = 168;
/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
/// The seed of the first rows, for every run the same.
const FIRST_SEED: u64 = 20_261_124;

/// Eight minutes before midnight in Shanghai: days end, and quotas begin anew, in the middle of a run.
pub(crate) fn dusk() -> Timestamp {
    "2026-11-24T15:52:00Z".parse().expect("an instant")
}

/// The folder that runs are copied from, and what the model must know of it.
pub struct Stage {
    folder: TempDir,
    pub(crate) federation: FederationName,
    pub(crate) genesis: Genesis,
    pub(crate) entries: Vec<Entry>,
    pub(crate) first: Table,
    pub(crate) agreements: Vec<(Offer, AgreementId)>,
    pub(crate) sabotage: Option<Sabotage>,
}

fn config(who: Who) -> OrganisationConfig {
    let (zh, en, division, level, roles) = match who {
        Who::Hub => {
            let roles = vec![MemberRole::Hub, MemberRole::Authority];
            ("江苏省数据局", "Jiangsu Data Administration", "320000", Level::Province, roles)
        }
        Who::Provider => {
            let title = "Jiangsu Administration for Market Regulation";
            ("江苏省市场监督管理局", title, "320000", Level::Province, vec![MemberRole::Department])
        }
        Who::Consumer => {
            let title = "Nanjing Bureau of Industry and Information Technology";
            ("南京市工业和信息化局", title, "320100", Level::City, vec![MemberRole::Department])
        }
    };
    OrganisationConfig {
        id: organisation_id(who),
        title: Bilingual::new(zh, en),
        host: who.host(),
        division: division.to_owned(),
        level,
        roles,
        superior: None,
        database: "sqlite".to_owned(),
        epoch: 1,
        part_rows: PART_ROWS,
        connection: Vec::new(),
    }
}

pub(crate) fn organisation_id(who: Who) -> OrganisationId {
    OrganisationId::new(who.id()).expect("a name")
}

/// Genesis and joins, signed by one founder.
fn found(federation: &FederationName, folder: &Path) -> (Genesis, Vec<Entry>) {
    let key = SigningKey::from_seed(Suite::default(), &[7; 32]);
    let genesis = Genesis {
        format: Format::Genesis,
        version: VERSION,
        federation: federation.clone(),
        title: Bilingual::new("江苏省一体化大数据体系", "Integrated big-data system of Jiangsu"),
        suite: Suite::default(),
        founded_at: dusk(),
        founders: Founders {
            keys: vec![Founder { title: Bilingual::new("创始成员", "founder"), key: key.public() }],
            quorum: 1,
        },
        travel: Travel::Direct,
        view_hours_max: VIEW_HOURS,
    };
    let mut previous = genesis.digest().expect("a genesis has a digest");
    let mut entries = Vec::new();
    for (who, number) in Who::ALL.into_iter().zip(1..) {
        let keys =
            KeyRing::create(&folder.join(who.id()).join("keys"), Suite::default()).expect("a fresh folder takes keys");
        let addresses = vec![format!("{}:443", who.host())];
        let card = node::make_card(federation, &config(who), &keys, addresses).expect("the keys are sound");
        let body = EntryBody {
            format: Format::Entry,
            version: VERSION,
            federation: federation.clone(),
            number,
            previous,
            at: dusk(),
            change: Change::Join { organisation: Box::new(card) },
        };
        previous = body.digest().expect("an entry has a digest");
        let signature = body.sign(&key).expect("the founder signs");
        entries.push(Entry::new(body, vec![signature]));
    }
    (genesis, entries)
}

impl Stage {
    /// Sets it up; with a sabotage, what the sabotage takes away is missing.
    ///
    /// # Panics
    /// When it cannot be set up: nothing can be simulated then.
    pub fn set_up(sabotage: Option<Sabotage>) -> Self {
        let folder = folder();
        let federation = FederationName::new("jiangsu").expect("a name");
        let (genesis, entries) = found(&federation, folder.path());
        let (_, first) = offer::draw_file(&mut Draw::new(FIRST_SEED, 0), &Table::new());
        let mut stage = Self { folder, federation, genesis, entries, first, agreements: Vec::new(), sabotage };
        let mut world = World::open(&stage, stage.folder.path().to_owned(), 0, false);
        world.calm(true);
        stage.join(&mut world);
        stage.provide(&mut world);
        let agreements = [Offer::Open, Offer::Full].map(|offer| (offer, agree(&mut world, offer)));
        stage.agreements = agreements.into();
        world.close();
        stage
    }

    fn join(&self, world: &mut World) {
        for who in Who::ALL {
            let (genesis, entries) = (self.genesis.clone(), self.entries.clone());
            let digest = genesis.digest().expect("a genesis has a digest");
            world.perform(who, async move |org| {
                let administrator = everyone(&org, "stage");
                org.join(&administrator, genesis, digest).await?;
                org.adopt(&administrator, entries).await
            });
        }
    }

    fn provide(&self, world: &mut World) {
        let (csv, _) = offer::draw_file(&mut Draw::new(FIRST_SEED, 0), &Table::new());
        let mut files = offer::pack();
        match self.sabotage {
            Some(Sabotage::RowsUnrestricted) => change(&mut files, "rows: row.town == \"宁\"\n", ""),
            Some(Sabotage::QuotaForgotten) => change(&mut files, "rows_per_day: ", "rows_per_day: 1000"),
            _ => {}
        }
        world.perform(Who::Provider, async move |org| {
            let steward = everyone(&org, "stage");
            org.install_pack(&steward, files, None).await?;
            let ask = import_ask(ImportId::from_uuid(uuid::Uuid::from_u128(1)));
            let report = org.import(&steward, ask, Box::new(io::Cursor::new(csv))).await?;
            assert_eq!((report.rejected, report.done), (0, true), "the first rows are sound");
            Ok(())
        });
    }

    /// A folder of its own for one run.
    pub(crate) fn copy(&self) -> TempDir {
        let run = folder();
        copy_folder(self.folder.path(), run.path()).expect("a folder can be copied");
        run
    }
}

/// A folder that goes with its handle: in memory where that is to be had. A process that is killed loses nothing that
/// the system has taken, so a run need not wait for a disk.
pub(crate) fn folder() -> TempDir {
    let in_memory = tempfile::tempdir_in(MEMORY);
    in_memory.or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

fn change(files: &mut std::collections::BTreeMap<String, String>, from: &str, to: &str) {
    for text in files.values_mut() {
        *text = text.replace(from, to);
    }
}

pub(crate) fn import_ask(id: ImportId) -> ImportAsk {
    ImportAsk {
        record: ResourceId::new("works").expect("a name"),
        source: None,
        name: Some("works.csv".to_owned()),
        why: None,
        reviewed_by: Some("reviewer".to_owned()),
        reviewed_on: Some("2026-11-23".parse().expect("a date")),
        atomic: false,
        id: Some(id),
    }
}

/// The whole way to an agreement, on a network that loses nothing.
fn agree(world: &mut World, offer: Offer) -> AgreementId {
    let id = RequestId::from_uuid(uuid::Uuid::from_u128(2 + u128::from(offer == Offer::Full)));
    world.perform(Who::Consumer, async move |org| org.request(&everyone(&org, "stage"), draft(id, offer)).await);
    if offer == Offer::Full {
        let steps = [
            (Who::Consumer, AnswerStep::OwnDepartment),
            (Who::Hub, AnswerStep::Authority),
            (Who::Provider, AnswerStep::Provider),
        ];
        for (who, step) in steps {
            world.perform(who, async move |org| org.answer(&everyone(&org, "stage"), id, agreed(step)).await);
            world.perform(Who::Consumer, async move |org| org.request_view(id).await);
        }
    }
    world.perform(Who::Consumer, async move |org| org.agree(&everyone(&org, "stage"), id).await);
    AgreementId::from_uuid(id.uuid())
}

pub(crate) fn agreed(step: AnswerStep) -> AnswerDraft {
    let numbers = Vec::new();
    AnswerDraft { step, verdict: exchange::Verdict::Agree, reason: None, columns: None, operations: None, numbers }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

pub(crate) fn home_config(who: Who) -> OrganisationConfig {
    config(who)
}
