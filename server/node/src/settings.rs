//! Settings 配置: what `yunhe.toml` says of an organisation, and which version runs, compared with the last start. A
//! change is an act: whoever edits the file is on the machine and in no session.

use crate::{
    OrganisationConfig,
    audit::leave,
    draw_salt,
    store::{SETTINGS, SETTINGS_SET},
};
use outside::ConnectionConfig;
use policy::Principal;
use serde_json::{Map, Value, json};
use store::{Store, args, transact};
use vocabulary::{Problem, Timestamp};

/// What is compared. An address of a database or a system of others may hold a password, so only its kind is.
fn settings(config: &OrganisationConfig) -> Value {
    let connection = |it: &ConnectionConfig| json!({"name": it.name, "kind": it.url.scheme(), "writes": it.writes});
    let mut settings = json!({
        "title": config.title,
        "host": config.host,
        "division": config.division,
        "level": config.level,
        "roles": config.roles,
        "database": crate::backup::kind_of(config),
        "epoch": config.epoch,
        "part_rows": config.part_rows,
        "version": env!("CARGO_PKG_VERSION"),
    });
    // None is as before there were any.
    if !config.connection.is_empty() {
        settings["connection"] = config.connection.iter().map(connection).collect();
    }
    settings
}

/// What differs: each setting with what it was and what it is. Pure.
fn changed(before: &Value, now: &Value) -> Map<String, Value> {
    let names = [before, now].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    let differs = names.filter(|it| before.get(it) != now.get(it));
    differs.map(|it| (it.clone(), json!({"before": before.get(it), "now": now.get(it)}))).collect()
}

/// Writes down what changed since the last start.
pub(crate) async fn follow(store: &Store, config: &OrganisationConfig, now: Timestamp) -> Result<(), Problem> {
    let settings = settings(config);
    let row = store.read().await?.row(SETTINGS, args![]).await?;
    let before: Option<Value> = row.map(|it| it.json("settings")).transpose()?;
    let changed = before.as_ref().map(|it| changed(it, &settings));
    if changed.as_ref().is_some_and(Map::is_empty) {
        return Ok(());
    }
    let (principal, salt) = (Principal::job(config.id.clone(), "start", []), draw_salt()?);
    transact!(store, None, |tx| {
        tx.execute(SETTINGS_SET, args![settings.to_string()]).await?;
        if let Some(changed) = &changed {
            leave(tx, &principal, ("node.settings", Value::Object(changed.clone())), salt, now).await?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection is compared by its name, the kind of its system and whether it writes; its address is never told.
    #[test]
    fn connections_are_settings_without_their_addresses() {
        let config = |connection: Value| -> OrganisationConfig {
            serde_json::from_value(json!({
                "id": "js-scjg", "title": {"zh": "局", "en": "Office"}, "host": "scjg.js.yunhe.internal",
                "division": "320000", "level": "province", "roles": ["department"], "connection": connection,
            }))
            .unwrap()
        };
        let none = settings(&config(json!([])));
        let one = |url: &str, writes: bool| settings(&config(json!([{"name": "db", "url": url, "writes": writes}])));
        let reads = one("mysql://someone:secret@127.0.0.1/x", false);
        assert_eq!(none.get("connection"), None);
        assert_eq!(reads["connection"], json!([{"name": "db", "kind": "mysql", "writes": false}]));
        for (before, now) in [(&none, &reads), (&reads, &one("mysql://127.0.0.1/x", true))] {
            assert_eq!(changed(before, now).keys().collect::<Vec<_>>(), ["connection"]);
        }
    }

    #[test]
    fn what_changed_is_told_with_both_values() {
        let (before, now) = (json!({"host": "a", "epoch": 1, "gone": 1}), json!({"host": "b", "epoch": 1, "new": 2}));
        let told = Value::Object(changed(&before, &now));
        let expected = json!({
            "host": {"before": "a", "now": "b"}, "gone": {"before": 1, "now": null}, "new": {"before": null, "now": 2}
        });
        assert_eq!(told, expected);
    }
}
