//! `yunhe schemas`: the JSON schemas of everything that travels or is written by hand, made from the Rust types.

use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{facts, print};
use clap::Args;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe schemas --out schemas
  yunhe schemas | jq .receipt";

/// 写出各格式的 JSON Schema。Write the JSON schemas of all formats.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Schemas {
    /// 写入目录，每种一个文件 A folder to write them into, one file each [standard output, all in one object]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn schema<T: JsonSchema>() -> Value {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

/// All schemas with the names of their files, in alphabetical order.
pub fn all() -> Map<String, Value> {
    use exchange::{AccessRequest, Acknowledgement, Agreement, Answer, Query, Receipt, Revocation, Signed, Supplement};
    use exchange::{Confirmation, Correction, Escalation, Objection, Ruling};
    let documents = [
        ("request-1", schema::<Signed<AccessRequest>>()),
        ("answer-1", schema::<Signed<Answer>>()),
        ("supplement-1", schema::<Signed<Supplement>>()),
        ("agreement-1", schema::<Signed<Agreement>>()),
        ("revocation-1", schema::<Signed<Revocation>>()),
        ("query-1", schema::<Query>()),
        ("receipt-1", schema::<Receipt>()),
        ("acknowledgement-1", schema::<Signed<Acknowledgement>>()),
        ("objection-1", schema::<Signed<Objection>>()),
        ("ruling-1", schema::<Signed<Ruling>>()),
        ("correction-1", schema::<Signed<Correction>>()),
        ("escalation-1", schema::<Signed<Escalation>>()),
        ("confirmation-1", schema::<Signed<Confirmation>>()),
        ("catalogue-report-1", schema::<catalog::report::Report>()),
        ("catalogue-ruling-1", schema::<catalog::report::Ruling>()),
        ("hub-record-1", schema::<exchange::HubRecord>()),
        ("act-1", schema::<evidence::act::ActBody>()),
        ("audit-export-1", schema::<evidence::act::export::Manifest>()),
        ("audit-proof-1", schema::<evidence::act::export::Proof>()),
    ];
    let mut all: std::collections::BTreeMap<String, Value> =
        documents.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    all.extend(federation::schemas().into_iter().map(|(name, it)| (name.to_owned(), it.to_value())));
    all.extend(pack::json_schemas().into_iter().map(|(name, it)| (format!("pack-{name}"), it)));
    all.into_iter().collect()
}

impl Schemas {
    /// Runs it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let all = all();
        let Some(folder) = self.out else {
            print(&format!("{:#}\n", Value::Object(all)));
            return Ok(());
        };
        std::fs::create_dir_all(&folder).map_err(|it| file_problem(&folder, &it))?;
        let mut names = Vec::new();
        for (name, schema) in all {
            let path = folder.join(format!("{name}.schema.json"));
            std::fs::write(&path, format!("{schema:#}\n")).map_err(|it| file_problem(&path, &it))?;
            names.push(name);
        }
        let voice = context.voice();
        let value = json!({"folder": folder.display().to_string(), "schemas": names});
        voice.answer(&value, || {
            facts(voice, &[("目录", "Folder", folder.display().to_string()), ("格式", "Schemas", names.join("\n"))])
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frozen_format_has_a_schema() {
        let all = all();
        for name in
            ["request-1", "agreement-1", "receipt-1", "federation-entry-1", "federation-genesis-1", "pack-record"]
        {
            let schema = all.get(name).unwrap();
            assert!(schema.get("$schema").is_some() && schema.get("type").is_some(), "{name}: {schema}");
        }
    }
}
