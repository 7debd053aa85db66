//! Compilation of the catalogue as the organisation's own people do it: entries on their way, and the chain behind
//! them.

use crate::{Organisation, catalogs::Look, draw_salt, organisation::fault};
use catalog::{
    CloseThing, Compile, PutThings, SecrecyReview,
    compile::{
        self, Act, Compilation, Compiled, DOSSIERS_PAGE_MAX, Dossier, Draft, Links, Listing, Past, State, THINGS_MAX,
        Thing, ThingKind, User,
    },
    propose::SecondSource,
};
use evidence::Salt;
use policy::{Permit, Principal, Role};
use schema::Grade;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::transact;
use vocabulary::{Bilingual, Kind, Problem, ResourceId, Timestamp, date_in_shanghai};

/// Dossiers in a page when nothing else is asked for.
const PAGE: u32 = 100;

/// What is done to a compilation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CompileAsk {
    /// 编制: begins it, or goes on with it.
    Draft {
        /// The entry; name, code, provider, day and grade may be left out. A code without its serial number draws one.
        entry: Map<String, Value>,
        /// What lies behind it.
        #[serde(default)]
        links: Links,
    },
    /// 提交部门审核.
    Submit {},
    /// 部门审核通过.
    Check {},
    /// 退回.
    Return {
        /// What is to be mended.
        reason: String,
    },
    /// 主管部门审核通过并发布.
    Publish {
        /// That it holds no state secret.
        review: SecrecyReview,
    },
    /// 变更: opens the next revision; without a text it begins as what is published.
    Change {
        /// The entry, as for a draft.
        #[serde(default)]
        entry: Option<Map<String, Value>>,
        /// What lies behind it.
        #[serde(default)]
        links: Links,
    },
    /// 撤销.
    Revoke {
        /// Why.
        reason: String,
    },
    /// 放弃草稿.
    Discard {
        /// Why.
        reason: String,
    },
}

/// Which dossiers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DossiersAsk {
    /// In this state alone.
    #[serde(default)]
    pub state: Option<String>,
    /// Of this department alone, by its Chinese name.
    #[serde(default)]
    pub owner: Option<String>,
    /// Behind this name.
    #[serde(default)]
    pub after: Option<String>,
    /// At most so many.
    #[serde(default)]
    pub limit: Option<u32>,
}

impl From<DossiersAsk> for Listing {
    fn from(ask: DossiersAsk) -> Self {
        Self {
            after: ask.after.unwrap_or_default(),
            state: ask.state.unwrap_or_default(),
            owner: ask.owner.unwrap_or_default(),
            limit: ask.limit.unwrap_or(PAGE).clamp(1, DOSSIERS_PAGE_MAX),
        }
    }
}

/// A compilation in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CompilationLine {
    /// Its name.
    pub entry: ResourceId,
    /// Its code.
    pub code: String,
    /// Its title.
    pub title: Bilingual,
    /// The department that keeps the data.
    pub provider: Bilingual,
    /// Where it is.
    pub state: State,
    /// The version of its dossier.
    pub version: i64,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Whether it stands in the catalogue now.
    pub published: bool,
}

/// A compilation with its history.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CompilationView {
    /// Its name.
    pub entry: ResourceId,
    /// The version of its dossier.
    pub version: i64,
    /// Since when it stands so.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What it says.
    pub compilation: Compilation,
    /// What still stands in the way of passing it on: place, fact and remedy.
    pub flaws: Vec<schema::Flaw>,
    /// What it collects although another department is its source (一数一源).
    pub second_sources: Vec<SecondSource>,
    /// What was done to it, the newest first.
    pub history: Vec<Past>,
}

/// Duties, matters and systems to register.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThingsAsk {
    /// What they say; all of them are taken, or none.
    pub things: Vec<Thing>,
    /// Why, for the history.
    pub why: String,
}

/// Why something of the chain is closed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAsk {
    /// Why, for the history.
    pub why: String,
    /// Although something still leads to it.
    #[serde(default)]
    pub even_so: bool,
}

/// At which moment; left out: now.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MomentAsk {
    /// At that time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
}

/// A duty, a matter or a system in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ThingLine {
    /// What it says.
    pub thing: Thing,
    /// `open` or `closed`.
    pub state: String,
    /// The version of its dossier.
    pub version: i64,
    /// Since when it stands so.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// A duty, a matter or a system with its history and what leads to it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ThingView {
    /// As in a list.
    #[serde(flatten)]
    pub line: ThingLine,
    /// What leads to it now: matters, systems, entries.
    pub users: Vec<User>,
    /// What was done to it, the newest first.
    pub history: Vec<Past>,
}

impl From<Dossier<Thing>> for ThingLine {
    fn from(it: Dossier<Thing>) -> Self {
        Self { thing: it.body, state: it.state, version: it.version, since: it.at }
    }
}

impl Organisation {
    /// Does something to the compilation of an entry.
    ///
    /// # Errors
    /// As [`catalog::compile::compile`]; `web.body` when the text is no entry.
    pub async fn compile(
        &self,
        principal: &Principal,
        name: &ResourceId,
        ask: CompileAsk,
    ) -> Result<Compiled, Problem> {
        let act = self.act(name, ask)?;
        let permit = self.permit(principal, Compile { entry: name.clone(), act })?;
        let (salts, now, packs) = ([draw_salt()?, draw_salt()?], self.now(), self.packs());
        let today = date_in_shanghai(now);
        transact!(self.store, None, |tx| {
            let due = |days| packs.working_days_after(today, days);
            compile::compile(tx, &permit, due, salts, now).await
        })
    }

    fn act(&self, name: &ResourceId, ask: CompileAsk) -> Result<Act, Problem> {
        Ok(match ask {
            CompileAsk::Draft { entry, links } => Act::Draft(Box::new(self.draft(name, entry, links)?)),
            CompileAsk::Submit {} => Act::Submit,
            CompileAsk::Check {} => Act::Check,
            CompileAsk::Return { reason } => Act::Return { reason },
            CompileAsk::Publish { review } => Act::Publish { review },
            CompileAsk::Change { entry, links } => {
                let draft = entry.map(|it| self.draft(name, it, links)).transpose()?;
                Act::Change(draft.map(Box::new))
            }
            CompileAsk::Revoke { reason } => Act::Revoke { reason },
            CompileAsk::Discard { reason } => Act::Discard { reason },
        })
    }

    /// A draft of what a cataloguer wrote: what the node knows itself may be left out.
    pub(crate) fn draft(&self, name: &ResourceId, entry: Map<String, Value>, links: Links) -> Result<Draft, Problem> {
        let mut entry = Value::Object(entry);
        let highest = highest_grade(&entry);
        let known = [
            ("entry", json!(name)),
            ("code", json!("")),
            ("provider", json!(self.config.title)),
            ("published", json!(date_in_shanghai(self.now()))),
            ("grade", highest.map_or(Value::Null, |it| json!(it))),
        ];
        for (field, value) in known {
            if entry.get(field).is_none() && !value.is_null() {
                entry[field] = value;
            }
        }
        let entry = serde_json::from_value(entry).map_err(|it| {
            Problem::new(
                Kind::Unprocessable,
                "web.body",
                format!("目录条目有误：{it}；字段见 yunhe schemas 的 catalogue-entry"),
                format!("the entry: {it}; yunhe schemas writes its fields"),
            )
            .field("/entry")
        })?;
        Ok(Draft { entry, links })
    }

    /// A page of compilations.
    ///
    /// # Errors
    /// `catalog.state` when there is no such state, `policy.role`.
    pub async fn compilations(&self, principal: &Principal, ask: DossiersAsk) -> Result<Vec<CompilationLine>, Problem> {
        self.permit(principal, Look)?;
        if let Some(state) = &ask.state {
            known_word(state, &State::ALL.map(State::word))?;
        }
        let found = compile::compilations(&mut self.store.read().await?, &ask.into()).await?;
        let line = |it: Dossier<Compilation>| CompilationLine {
            entry: it.name,
            code: it.body.draft.entry.code,
            title: it.body.draft.entry.title,
            provider: it.body.draft.entry.provider,
            state: it.body.state,
            version: it.version,
            since: it.at,
            published: it.body.live.is_some(),
        };
        Ok(found.into_iter().map(line).collect())
    }

    /// One compilation with what stands in its way and its history.
    ///
    /// # Errors
    /// `catalog.not_compiled`, `policy.role`.
    pub async fn compilation(&self, principal: &Principal, name: &ResourceId) -> Result<CompilationView, Problem> {
        self.permit(principal, Look)?;
        let mut reader = self.store.read().await?;
        let found = compile::compilation(&mut reader, name).await?.ok_or_else(|| compile::missing(name))?;
        let flaws = compile::flaws_now(&mut reader, &found.body.draft, self.now()).await?;
        Ok(CompilationView {
            entry: found.name,
            version: found.version,
            since: found.at,
            flaws,
            second_sources: compile::second_sources(&mut reader, Some((name, &found.body.draft))).await?,
            history: compile::compilation_history(&mut reader, name).await?,
            compilation: found.body,
        })
    }

    /// Registers duties, matters and systems; says how many are new or say something else.
    ///
    /// # Errors
    /// As [`catalog::compile::put_things`].
    pub async fn put_things(&self, principal: &Principal, ask: ThingsAsk) -> Result<Value, Problem> {
        let count = ask.things.len();
        let permit = self.permit(principal, PutThings { things: ask.things, why: ask.why })?;
        let (salt, now) = (draw_salt()?, self.now());
        let changed = transact!(self.store, None, |tx| compile::put_things(tx, &permit, salt, now).await)?;
        Ok(json!({"changed": changed, "same": count - changed}))
    }

    /// What registers the duties, matters and systems of a pack, each with its salt.
    pub(crate) fn things_of(&self, pack: &pack::Pack) -> Result<Vec<(Permit<PutThings>, Salt)>, Problem> {
        let things = serde_json::to_value(&pack.things).map_err(|it| fault("things", &it))?;
        let things: Vec<Thing> = serde_json::from_value(things).map_err(|it| fault("things", &it))?;
        let principal = self.job("install", [Role::Cataloguer]);
        // Duties first, then what leads to them: each list is whole by itself.
        let mut things = things;
        things.sort_by_key(|it| it.kind);
        let why = format!("数据包 {} 第 {} 版", pack.id(), pack.manifest.version);
        let put = |part: &[Thing]| {
            let ask = PutThings { things: part.to_vec(), why: why.clone() };
            Ok((self.permit(&principal, ask)?, draw_salt()?))
        };
        things.chunks(THINGS_MAX).map(put).collect()
    }

    /// A page of duties, matters or systems.
    ///
    /// # Errors
    /// `catalog.state` when there is no such state, `policy.role`.
    pub async fn things(
        &self,
        principal: &Principal,
        kind: ThingKind,
        ask: DossiersAsk,
    ) -> Result<Vec<ThingLine>, Problem> {
        self.permit(principal, Look)?;
        if let Some(state) = &ask.state {
            known_word(state, &["open", "closed"])?;
        }
        let found = compile::things(&mut self.store.read().await?, kind, &ask.into()).await?;
        Ok(found.into_iter().map(ThingLine::from).collect())
    }

    /// A duty, a matter or a system.
    ///
    /// # Errors
    /// `catalog.no_thing`, `policy.role`.
    pub async fn thing(
        &self,
        principal: &Principal,
        (kind, name): (ThingKind, &ResourceId),
        ask: MomentAsk,
    ) -> Result<ThingView, Problem> {
        self.permit(principal, Look)?;
        let mut reader = self.store.read().await?;
        Ok(ThingView {
            line: compile::thing(&mut reader, kind, name, ask.as_of).await?.into(),
            users: compile::thing_users(&mut reader, kind, name).await?,
            history: compile::thing_history(&mut reader, kind, name).await?,
        })
    }

    /// Closes a duty, a matter or a system; says what still led to it.
    ///
    /// # Errors
    /// As [`catalog::compile::close_thing`].
    pub async fn close_thing(
        &self,
        principal: &Principal,
        (kind, name): (ThingKind, ResourceId),
        ask: CloseAsk,
    ) -> Result<Value, Problem> {
        let CloseAsk { why, even_so } = ask;
        let permit = self.permit(principal, CloseThing { kind, name, why, even_so })?;
        let (salt, now) = (draw_salt()?, self.now());
        let users = transact!(self.store, None, |tx| compile::close_thing(tx, &permit, salt, now).await)?;
        serde_json::to_value(users).map(|it| json!({"feeds": it})).map_err(|it| fault("users", &it))
    }
}

/// The highest grade of an entry's items, as they are written.
fn highest_grade(entry: &Value) -> Option<Grade> {
    let items = entry.get("items")?.as_array()?;
    items.iter().filter_map(|it| serde_json::from_value(it.get("grade")?.clone()).ok()).max()
}

pub(crate) fn known_word(word: &str, known: &[&str]) -> Result<(), Problem> {
    let list = known.join(", ");
    vocabulary::ensure!(
        known.contains(&word),
        Problem::new(
            Kind::Unprocessable,
            "catalog.state",
            format!("没有状态“{word}”；可用：{list}"),
            format!("there is no state {word:?}; known: {list}"),
        )
        .field("/state")
    );
    Ok(())
}
