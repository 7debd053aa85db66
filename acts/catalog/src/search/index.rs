//! The index on disk: what an entry is there, and how the index keeps up with the feed.
//!
//! It holds nothing that the store has not, so that whatever is odd about it is met by building it anew: it is missing,
//! broken, of another version, or of a feed that a restore has changed. How far it has come stands in its own commit.

use super::{
    analyse::{TOKENIZER, Weighted, fold, section},
    tally::Facet,
};
use crate::{Change, Class, Entry, Publication, harvest::broken, store as rows};
use policy::Sharing;
use schema::{Cycle, Grade};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};
use store::Store;
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term,
    directory::MmapDirectory,
    merge_policy::NoMergePolicy,
    schema::{FAST, Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{RAW_TOKENIZER_NAME, TextAnalyzer},
};
use vocabulary::{Bilingual, Kind, OrganisationId, Problem, ResourceId};

/// Changes with what stands in the index; another number means a new index.
const VERSION: u32 = 1;
/// Memory for terms while the index follows the feed.
const FOLLOW_BYTES: usize = 30_000_000;
/// Memory for terms while it is built anew, and the threads that share it.
const BUILD_BYTES: usize = 200_000_000;
const BUILD_THREADS: usize = 2;
/// Changes read and applied in one step.
const STEP: u32 = 1_000;
/// Steps between two commits while following.
const COMMIT_STEPS: u32 = 50;

/// The columns of facets whose values are not known beforehand.
pub(crate) const COLUMNS: [(Facet, &str); 3] =
    [(Facet::Organisation, "organisation"), (Facet::Provider, "provider"), (Facet::Theme, "theme")];

/// The fields of the index.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) key: Field,
    pub(crate) exact: Field,
    pub(crate) code: Field,
    pub(crate) text: Field,
    pub(crate) hit: Field,
    packed: Field,
    facets: [Field; 9],
}

impl Fields {
    /// The column of [`Packed`].
    pub(crate) const PACKED: &str = "packed";

    fn schema() -> (Schema, Self) {
        let mut builder = Schema::builder();
        let mut raw = |name: &str| builder.add_text_field(name, STRING);
        let (key, exact, code) = (raw("key"), raw("exact"), raw("code"));
        let small = ["class", "grade", "share", "cycle", "open", "format"].map(raw);
        let indexing = TextFieldIndexing::default().set_tokenizer(TOKENIZER);
        let indexing = indexing.set_index_option(IndexRecordOption::WithFreqs);
        let text = builder.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        let hit = builder.add_text_field("hit", STORED);
        let packed = builder.add_u64_field(Self::PACKED, FAST);
        let column = STRING.set_fast(RAW_TOKENIZER_NAME);
        let columns = COLUMNS.map(|(_, name)| builder.add_text_field(name, column.clone()));
        let mut facets = [key; 9];
        facets[..3].copy_from_slice(&columns);
        facets[3..].copy_from_slice(&small);
        (builder.build(), Self { key, exact, code, text, hit, packed, facets })
    }

    /// The field by which a facet is filtered.
    pub(crate) fn facet(&self, facet: Facet) -> Field {
        self.facets[match facet {
            Facet::Organisation => 0,
            Facet::Provider => 1,
            Facet::Theme => 2,
            Facet::Class => 3,
            Facet::Grade => 4,
            Facet::Share => 5,
            Facet::Cycle => 6,
            Facet::Open => 7,
            Facet::Format => 8,
        }]
    }

    fn key_of(&self, organisation: &OrganisationId, entry: &ResourceId) -> Term {
        Term::from_field_text(self.key, &format!("{organisation}/{entry}"))
    }

    fn document(&self, publication: &Publication) -> Result<TantivyDocument, Problem> {
        let entry = &publication.entry;
        let mut document = TantivyDocument::default();
        document.add_text(self.key, format!("{}/{}", publication.organisation, entry.entry));
        for text in [&entry.title.zh, &entry.title.en] {
            document.add_text(self.exact, fold(text));
        }
        document.add_text(self.exact, entry.entry.as_str());
        document.add_text(self.code, &entry.code);
        document.add_text(self.text, sections(entry));
        let words: [(Facet, String); 8] = [
            (Facet::Organisation, publication.organisation.to_string()),
            (Facet::Provider, entry.provider.zh.clone()),
            (Facet::Theme, entry.theme.to_string()),
            (Facet::Class, word(&entry.class)),
            (Facet::Grade, word(&entry.grade)),
            (Facet::Share, word(&entry.share)),
            (Facet::Cycle, word(&entry.cycle)),
            (Facet::Open, if entry.open { "open" } else { "closed" }.to_owned()),
        ];
        for (facet, word) in words {
            document.add_text(self.facet(facet), word);
        }
        for format in &entry.formats {
            document.add_text(self.facet(Facet::Format), format);
        }
        document.add_u64(self.packed, Packed::of(entry).0);
        let hit = serde_json::to_string(&Hit::of(publication)).map_err(|it| broken(&it))?;
        document.add_text(self.hit, hit);
        Ok(document)
    }
}

/// The word for a value in formats: `unconditional`, `一般/1`.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// An entry's text in sections, each followed by the mark that says how much it weighs.
fn sections(entry: &Entry) -> String {
    let mut text = String::with_capacity(1024);
    let mut add = |part: &str, mark: char| {
        text.extend(part.chars().map(|it| if it.is_control() { ' ' } else { it }));
        text.push(mark);
    };
    for part in [&entry.title.zh, &entry.title.en] {
        add(part, section::TITLE);
    }
    add(entry.entry.as_str(), section::KEYWORDS);
    for part in &entry.keywords {
        add(part, section::KEYWORDS);
    }
    for item in &entry.items {
        add(&item.title.zh, section::ITEMS);
        add(&item.title.en, section::ITEMS);
    }
    let rest = [&entry.description.zh, &entry.description.en, &entry.provider.zh, &entry.provider.en];
    for part in rest.into_iter().map(String::as_str).chain([entry.theme.as_str()]) {
        add(part, section::REST);
    }
    text
}

/// The facets whose values are few: one bit for each value.
#[derive(Clone, Copy)]
pub(crate) struct Packed(pub(crate) u64);

/// Formats that have a bit of their own; all others share the last one.
const FORMATS: [&str; 30] = [
    "csv",
    "json",
    "xml",
    "xlsx",
    "xls",
    "parquet",
    "arrow",
    "pdf",
    "ofd",
    "doc",
    "docx",
    "wps",
    "et",
    "txt",
    "html",
    "shp",
    "gpkg",
    "geojson",
    "tif",
    "jpg",
    "png",
    "dwg",
    "mp4",
    "mp3",
    "oracle",
    "mysql",
    "postgresql",
    "kingbase",
    "dm",
    "delta",
];
const SHARES: [Sharing; 3] = [Sharing::Unconditional, Sharing::Conditional, Sharing::Refused];
const CYCLES: [Cycle; 8] = [
    Cycle::Realtime,
    Cycle::Daily,
    Cycle::Weekly,
    Cycle::Monthly,
    Cycle::Quarterly,
    Cycle::HalfYearly,
    Cycle::Yearly,
    Cycle::Irregular,
];

impl Packed {
    /// How many bits there are.
    pub(crate) const VALUES: usize = 64;
    const OTHER_FORMAT: usize = 63;

    fn of(entry: &Entry) -> Self {
        let bit = |at: Option<usize>, base: usize| at.map_or(0, |it| 1_u64 << (base + it));
        let mut bits = bit(Class::ALL.iter().position(|it| *it == entry.class), 0);
        bits |= bit(Grade::ALL.iter().position(|it| *it == entry.grade), 3);
        bits |= bit(SHARES.iter().position(|it| *it == entry.share), 9);
        bits |= bit(CYCLES.iter().position(|it| *it == entry.cycle), 12);
        bits |= 1 << if entry.open { 20 } else { 21 };
        for format in &entry.formats {
            let at = FORMATS.iter().position(|it| it == format).map_or(Self::OTHER_FORMAT, |it| it + 22);
            bits |= 1 << at;
        }
        Self(bits)
    }

    /// Calls `take` with each bit that is set.
    pub(crate) fn each(self, mut take: impl FnMut(usize)) {
        let mut bits = self.0;
        while bits != 0 {
            take(bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }

    /// What a bit means.
    pub(crate) fn value(bit: usize) -> Option<(Facet, String)> {
        Some(match bit {
            0..3 => (Facet::Class, word(&Class::ALL[bit])),
            3..9 => (Facet::Grade, word(&Grade::ALL[bit - 3])),
            9..12 => (Facet::Share, word(&SHARES[bit - 9])),
            12..20 => (Facet::Cycle, word(&CYCLES[bit - 12])),
            20 => (Facet::Open, "open".to_owned()),
            21 => (Facet::Open, "closed".to_owned()),
            22..52 => (Facet::Format, FORMATS[bit - 22].to_owned()),
            Self::OTHER_FORMAT => (Facet::Format, "other".to_owned()),
            _ => return None,
        })
    }
}

/// An entry as a list of results shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hit {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Which.
    pub entry: ResourceId,
    /// Its revision.
    pub revision: i64,
    /// Its code.
    pub code: String,
    /// Its title.
    pub title: Bilingual,
    /// Its provider.
    pub provider: Bilingual,
    /// The beginning of its abstract.
    pub description: Bilingual,
    /// Its class.
    pub class: Class,
    /// Its theme.
    pub theme: ResourceId,
    /// Its grade.
    pub grade: Grade,
    /// How it is shared.
    pub share: Sharing,
    /// How often it is renewed.
    pub cycle: Cycle,
    /// Whether it is open to the public.
    pub open: bool,
    /// Its formats.
    pub formats: Vec<String>,
    /// The offer through which it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<ResourceId>,
    /// Whether its data were made by a generator.
    #[serde(default)]
    pub synthetic: bool,
}

impl Hit {
    /// An abstract is cut to this many characters.
    const DESCRIPTION_CHARS_MAX: usize = 160;

    fn of(publication: &Publication) -> Self {
        let entry = &publication.entry;
        let cut = |text: &str| text.chars().take(Self::DESCRIPTION_CHARS_MAX).collect::<String>();
        Self {
            organisation: publication.organisation.clone(),
            entry: entry.entry.clone(),
            revision: publication.revision,
            code: entry.code.clone(),
            title: entry.title.clone(),
            provider: entry.provider.clone(),
            description: Bilingual::new(cut(&entry.description.zh), cut(&entry.description.en)),
            class: entry.class,
            theme: entry.theme.clone(),
            grade: entry.grade,
            share: entry.share,
            cycle: entry.cycle,
            open: entry.open,
            formats: entry.formats.clone(),
            offer: entry.offer.clone(),
            synthetic: entry.synthetic,
        }
    }
}

/// How far an index has come; the payload of its commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    version: u32,
    epoch: String,
    position: i64,
}

/// An open index.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) reader: IndexReader,
    pub(crate) fields: Fields,
}

impl Opened {
    fn wrap(index: Index, fields: Fields) -> tantivy::Result<Self> {
        index.tokenizers().register(TOKENIZER, TextAnalyzer::from(Weighted::new()));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields })
    }

    /// The index in `folder`, if it is whole and of this version.
    fn load(folder: &Path) -> Option<Self> {
        let (schema, fields) = Fields::schema();
        let index = MmapDirectory::open(folder).ok().and_then(|it| Index::open(it).ok())?;
        let opened = Self::wrap(index, fields).ok()?;
        let sound = opened.index.schema() == schema && opened.mark().is_some_and(|it| it.version == VERSION);
        sound.then_some(opened)
    }

    /// An empty index in place of whatever is in `folder`.
    fn anew(folder: &Path) -> Result<Self, Problem> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(|it| fault(&it))?;
        }
        std::fs::create_dir_all(folder).map_err(|it| fault(&it))?;
        let (schema, fields) = Fields::schema();
        let index = Index::create_in_dir(folder, schema).map_err(|it| fault(&it))?;
        Self::wrap(index, fields).map_err(|it| fault(&it))
    }

    fn mark(&self) -> Option<Mark> {
        serde_json::from_str(self.index.load_metas().ok()?.payload.as_deref()?).ok()
    }
}

/// What following came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The position of the feed that can be searched now.
    pub position: i64,
    /// Changes taken in.
    pub changes: u64,
    /// The index was built anew.
    pub rebuilt: bool,
}

/// Full-text search over the catalogue. Nothing is opened or loaded until it is first used. One per organisation and
/// process; every node keeps its own.
pub struct Search {
    folder: PathBuf,
    opened: RwLock<Option<Opened>>,
    /// How far the index has come, once it was looked at; held by the one who writes.
    mark: tokio::sync::Mutex<Option<Mark>>,
}

impl Search {
    /// The search whose index lies in `folder`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), opened: RwLock::new(None), mark: tokio::sync::Mutex::new(None) }
    }

    /// The open index, opened now if it is there.
    pub(crate) fn opened(&self) -> Option<Opened> {
        if let Some(it) = self.opened.read().ok()?.as_ref() {
            return Some(it.clone());
        }
        let loaded = Opened::load(&self.folder)?;
        Some(self.opened.write().ok()?.get_or_insert(loaded).clone())
    }

    fn set(&self, opened: &Opened) {
        if let Ok(mut slot) = self.opened.write() {
            *slot = Some(opened.clone());
        }
    }

    /// Brings the index up to the numbered end of the feed; builds it anew where that is needed. A job calls it after
    /// the sequencer, and before the first search.
    ///
    /// # Errors
    /// `catalog.index` when the folder cannot be written, and as the store's.
    pub async fn follow(&self, store: &Store) -> Result<Followed, Problem> {
        let mut known = self.mark.lock().await;
        let head = store.read().await?.feed_head(rows::FEED).await?;
        let (epoch, end) = head.map_or((String::new(), 0), |it| (it.epoch, it.position));
        let opened = self.opened();
        let mark = known.take().or_else(|| opened.as_ref().and_then(Opened::mark));
        let continues = mark
            .as_ref()
            .is_some_and(|it| (it.epoch == epoch || it.epoch.is_empty() && it.position == 0) && it.position <= end);
        let (Some(opened), Some(mark), true) = (opened, mark, continues) else {
            let (followed, mark) = self.rebuild(store).await?;
            *known = Some(mark);
            return Ok(followed);
        };
        if mark.position == end {
            let position = mark.position;
            *known = Some(mark);
            return Ok(Followed { position, ..Followed::default() });
        }
        let followed = catch_up(&opened, store, mark.position, (&epoch, end)).await?;
        *known = Some(Mark { version: VERSION, epoch, position: followed.position });
        Ok(followed)
    }

    /// Builds the index anew from one moment of the store. What is searched meanwhile is the old one.
    async fn rebuild(&self, store: &Store) -> Result<(Followed, Mark), Problem> {
        let folder = self.folder.clone();
        let opened = blocking(move || Opened::anew(&folder)).await?;
        let mut writer = Writer::open(&opened, BUILD_THREADS, BUILD_BYTES)?;
        // [`Writer::join`] merges all at the end, and no merge may be under way then.
        writer.inner.set_merge_policy(Box::new(NoMergePolicy));
        let mut reader = store.snapshot().await?;
        let head = reader.feed_head(rows::FEED).await?;
        let (epoch, position) = head.map_or((String::new(), 0), |it| (it.epoch, it.position));
        let mut after: Option<(OrganisationId, ResourceId)> = None;
        let mut changes = 0;
        loop {
            let behind = after.as_ref().map(|(one, other)| (one, other));
            let entries = rows::entries(&mut reader, behind, STEP).await?;
            let Some(last) = entries.last() else { break };
            after = Some((last.organisation.clone(), last.entry.entry.clone()));
            changes += entries.len() as u64;
            writer = blocking(move || {
                for entry in &entries {
                    writer.add(entry)?;
                }
                Ok(writer)
            })
            .await?;
        }
        drop(reader);
        let mark = Mark { version: VERSION, epoch, position };
        let kept = mark.clone();
        blocking(move || writer.commit(&mark)?.join()?.close()).await?;
        opened.reader.reload().map_err(|it| fault(&it))?;
        self.set(&opened);
        tracing::info!(entries = changes, position, "catalogue index built");
        Ok((Followed { position, changes, rebuilt: true }, kept))
    }
}

/// Applies the changes behind `position` up to `end`.
async fn catch_up(
    opened: &Opened,
    store: &Store,
    position: i64,
    (epoch, end): (&str, i64),
) -> Result<Followed, Problem> {
    let mut followed = Followed { position, ..Followed::default() };
    let mut writer = Writer::open(opened, 1, FOLLOW_BYTES)?;
    for step in 1_u32.. {
        let entries = store.read().await?.feed(rows::FEED, followed.position, STEP).await?;
        let Some(last) = entries.last().map(|it| it.position) else { break };
        followed.changes += entries.len() as u64;
        followed.position = last;
        let mark = Mark { version: VERSION, epoch: epoch.to_owned(), position: last };
        let commit = last >= end || step % COMMIT_STEPS == 0;
        writer = blocking(move || {
            for entry in entries {
                writer.change(&serde_json::from_value(entry.body).map_err(|it| broken(&it))?)?;
            }
            if commit { writer.commit(&mark) } else { Ok(writer) }
        })
        .await?;
        if last >= end {
            break;
        }
    }
    blocking(move || writer.close()).await?;
    opened.reader.reload().map_err(|it| fault(&it))?;
    Ok(followed)
}

/// The one writer of an index, there only while something is written.
struct Writer {
    inner: IndexWriter,
    fields: Fields,
}

impl Writer {
    fn open(opened: &Opened, threads: usize, bytes: usize) -> Result<Self, Problem> {
        let inner = opened.index.writer_with_num_threads(threads, bytes).map_err(|it| fault(&it))?;
        Ok(Self { inner, fields: opened.fields })
    }

    fn add(&mut self, publication: &Publication) -> Result<(), Problem> {
        let document = self.fields.document(publication)?;
        self.inner.add_document(document).map_err(|it| fault(&it)).map(|_| ())
    }

    fn change(&mut self, change: &Change) -> Result<(), Problem> {
        let (organisation, entry, _) = change.about();
        self.inner.delete_term(self.fields.key_of(organisation, entry));
        match change {
            Change::Published(it) => self.add(it),
            Change::Withdrawn { .. } => Ok(()),
        }
    }

    fn commit(mut self, mark: &Mark) -> Result<Self, Problem> {
        let payload = serde_json::to_string(mark).map_err(|it| broken(&it))?;
        let mut commit = self.inner.prepare_commit().map_err(|it| fault(&it))?;
        commit.set_payload(&payload);
        commit.commit().map_err(|it| fault(&it))?;
        Ok(self)
    }

    /// Makes one segment of all, so that a search reads one list per term. What is committed is whole without it.
    fn join(mut self) -> Result<Self, Problem> {
        let segments = self.inner.index().searchable_segment_ids().map_err(|it| fault(&it))?;
        if segments.len() > 1
            && let Err(cause) = self.inner.merge(&segments).wait()
        {
            tracing::warn!(%cause, segments = segments.len(), "catalogue index left in parts");
        }
        Ok(self)
    }

    fn close(self) -> Result<(), Problem> {
        self.inner.wait_merging_threads().map_err(|it| fault(&it))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|it| fault(&it))?
}

pub(crate) fn fault(cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%cause, "catalogue index");
    Problem::new(
        Kind::Internal,
        "catalog.index",
        "检索索引出错；删除索引文件夹后会自动重建，详见节点日志",
        "the search index failed; delete its folder and it is built anew; see the node's log",
    )
}

/// Shared so that a search may run on another thread.
pub type SharedSearch = Arc<Search>;
