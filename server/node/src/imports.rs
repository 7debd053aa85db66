//! Imports: a file that comes in becomes rows, by a pack's source or by column names.

use crate::{Organisation, draw_uuid};
use pack::Source;
use policy::Principal;
use registry::{Delimiter, Encoding, Fill, Import, ImportId, Intake, Mapping, Progress, SecrecyReview};
use serde::{Deserialize, Serialize};
use std::io::Read;
use vocabulary::{Date, Problem, ResourceId};

/// What to import and who vouches for it.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportAsk {
    /// Into which record type.
    pub record: ResourceId,
    /// By which source of a pack; left out: each field from the column of its name.
    #[serde(default)]
    pub source: Option<ResourceId>,
    /// What the file is called.
    #[serde(default)]
    pub name: Option<String>,
    /// Why.
    #[serde(default)]
    pub why: Option<String>,
    /// Who reviewed that no state secret is in it.
    #[serde(default)]
    pub reviewed_by: Option<String>,
    /// When.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub reviewed_on: Option<Date>,
    /// All rows visible at once at the end.
    #[serde(default)]
    pub atomic: bool,
    /// To go on with an import that stopped.
    #[serde(default)]
    pub id: Option<ImportId>,
}

/// How an import ended.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ImportReport {
    /// Its name.
    pub id: ImportId,
    /// Into which record type.
    pub record: ResourceId,
    /// Rows read.
    pub read: u64,
    /// Rows that are in the table now.
    pub loaded: u64,
    /// Of those, rows that were so already.
    pub unchanged: u64,
    /// Rows turned away.
    pub rejected: u64,
    /// Whether all is done.
    pub done: bool,
    /// The encoding that was found.
    pub encoding: Option<&'static str>,
    /// The digest of the file.
    pub digest: String,
}

impl From<Progress> for ImportReport {
    fn from(it: Progress) -> Self {
        Self {
            id: it.id,
            record: it.record,
            read: it.read,
            loaded: it.loaded,
            unchanged: it.same,
            rejected: it.rejected,
            done: it.state == registry::State::Done,
            encoding: it.encoding.map(Encoding::name),
            digest: it.digest,
        }
    }
}

/// A pack's source as the registry's mapping.
pub(crate) fn mapping(source: &Source) -> Mapping {
    let columns = source.columns.iter().map(|(column, field)| (field.clone(), Fill::Column(column.clone())));
    let constants = source.constants.iter().map(|(field, text)| (field.clone(), Fill::Constant(text.clone())));
    let templates = source.templates.iter().map(|(field, text)| (field.clone(), Fill::Template(text.clone())));
    Mapping {
        fields: columns.chain(constants).chain(templates).collect(),
        null: source.nulls.clone(),
        delimiter: match source.delimiter {
            pack::Delimiter::Comma => Delimiter::Comma,
            pack::Delimiter::Semicolon => Delimiter::Semicolon,
            pack::Delimiter::Tab => Delimiter::Tab,
        },
        encoding: source.encoding.map(|it| match it {
            pack::Encoding::Utf8 => Encoding::Utf8,
            pack::Encoding::Gb18030 => Encoding::Gb18030,
        }),
    }
}

impl Organisation {
    /// Imports a file; with the id of an import that stopped it goes on where that was.
    ///
    /// # Errors
    /// As [`registry::import()`]; `registry.source`, `registry.type`.
    pub async fn import(
        &self,
        principal: &Principal,
        ask: ImportAsk,
        file: Box<dyn Read + Send>,
    ) -> Result<ImportReport, Problem> {
        let packs = self.packs();
        let record = packs.record(&ask.record)?;
        let mapping = match &ask.source {
            Some(name) => mapping(packs.source(name)?),
            None => Mapping::by_name(record),
        };
        let import = Import {
            id: ask.id.unwrap_or_else(|| ImportId::from_uuid(draw_uuid(self.now()))),
            record: ask.record.clone(),
            mapping,
            source: ask.name.unwrap_or_else(|| "upload".to_owned()),
            why: ask.why.unwrap_or_else(|| "import".to_owned()),
            secrecy_review: ask.reviewed_by.zip(ask.reviewed_on).map(|(by, on)| SecrecyReview { by, on }),
            atomic: ask.atomic,
        };
        let permit = self.permit(principal, import)?;
        let clock = || self.now();
        let intake = Intake { source: file, codes: packs.codes(), clock: &clock };
        let progress = registry::import(&self.store, &permit, intake, &mut |_| ()).await?;
        Ok(progress.into())
    }

    /// How far an import is.
    ///
    /// # Errors
    /// `registry.import_missing`.
    pub async fn import_progress(&self, id: ImportId) -> Result<ImportReport, Problem> {
        let progress = registry::import_progress(&mut self.store.read().await?, id).await?;
        progress.map(Into::into).ok_or_else(|| {
            Problem::new(
                vocabulary::Kind::Missing,
                "registry.import_missing",
                format!("没有导入 {id}"),
                format!("there is no import {id}"),
            )
        })
    }

    /// The rejected rows of an import, as CSV.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn import_rejects(&self, principal: &Principal, id: ImportId) -> Result<Vec<u8>, Problem> {
        self.permit(principal, crate::records::ReadRecords)?;
        let mut out = Vec::new();
        registry::rejects_csv(&mut self.store.read().await?, id, &mut out).await?;
        Ok(out)
    }
}
