//! Settings 配置: what `yunhe.toml` says of an organisation, and which version runs, compared with the last start. A
//! change is an act: whoever edits the file is on the machine and in no session.

use crate::{
    OrganisationConfig,
    audit::leave,
    draw_salt,
    store::{SETTINGS, SETTINGS_SET},
};
use policy::Principal;
use serde_json::{Map, Value, json};
use store::{Store, args, transact};
use vocabulary::{Problem, Timestamp};

/// What is compared. An address of a database may hold a password, so only its kind is.
fn settings(config: &OrganisationConfig) -> Value {
    json!({
        "title": config.title,
        "host": config.host,
        "division": config.division,
        "level": config.level,
        "roles": config.roles,
        "database": crate::backup::kind_of(config),
        "epoch": config.epoch,
        "part_rows": config.part_rows,
        "version": env!("CARGO_PKG_VERSION"),
    })
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
