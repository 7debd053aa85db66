//! Sources against their record types: every mandatory field is filled, none twice, no column lost by oversight.

use crate::check::{Scope, choice};
use crate::finding::Report;
use crate::read::Part;
use crate::source::{Source, template_columns};
use schema::{FieldName, RecordType};

/// Checks one source.
pub(crate) fn check(part: &Part<Source>, scope: &Scope<'_>, report: &mut Report<'_>) {
    files(part, report);
    from(part, report);
    templates(part, report);
    ignored(part, report);
    let source = &part.value;
    match scope.record(&source.record) {
        Some(record) => {
            fields(part, record, report);
            key(part, record, report);
        }
        None if scope.complete => {
            let fact =
                (format!("没有记录类型 {}", source.record), format!("there is no record type {}", source.record));
            let remedy = choice(source.record.as_str(), &scope.record_names());
            let place = part.node.place_of("/record");
            report.add(place, "pack.unknown_record", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        None => {}
    }
}

fn fields(part: &Part<Source>, record: &RecordType, report: &mut Report<'_>) {
    let source = &part.value;
    let columns = source.columns.iter().map(|(column, field)| (format!("/columns/{column}"), field));
    let constants = source.constants.keys().map(|field| (format!("/constants/{field}"), field));
    let templates = source.templates.keys().map(|field| (format!("/templates/{field}"), field));
    let known: Vec<&str> = record.fields.keys().map(FieldName::as_str).collect();
    let mut filled: Vec<&FieldName> = Vec::new();
    for (pointer, field) in columns.chain(constants).chain(templates) {
        let place = part.node.place_of(&pointer);
        if record.field(field.as_str()).is_none() {
            let fact = (format!("{} 没有信息项 {field}", record.name), format!("{} has no field {field}", record.name));
            let remedy = choice(field.as_str(), &known);
            report.add(place, "pack.unknown_column", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        if filled.contains(&field) {
            let fact = (format!("信息项 {field} 有两个来源"), format!("field {field} is filled twice"));
            report.add(place, "pack.twice", (&fact.0, &fact.1), ("只留一个来源", "leave one of them"));
        }
        filled.push(field);
    }
    for (name, field) in &record.fields {
        if !field.optional && !filled.contains(&name) {
            let fact = (format!("必填信息项 {name} 没有来源"), format!("nothing fills the mandatory field {name}"));
            let remedy = ("在 columns、constants 或 templates 中写明", "name it in columns, constants or templates");
            report.add(part.node.place_of("/columns"), "pack.unfilled", (&fact.0, &fact.1), remedy);
        }
    }
}

fn templates(part: &Part<Source>, report: &mut Report<'_>) {
    for (field, template) in &part.value.templates {
        if template_columns(template).is_none() {
            let place = part.node.place_of(&format!("/templates/{field}"));
            let fact = (format!("模板“{template}”不合要求"), format!("template {template:?} does not work"));
            let remedy = (
                "花括号成对，内写列名，可加 :02 补零",
                "pair the braces around names of columns, with :02 to fill up with zeros",
            );
            report.add(place, "pack.template", (&fact.0, &fact.1), remedy);
        }
    }
}

fn ignored(part: &Part<Source>, report: &mut Report<'_>) {
    let source = &part.value;
    let used: Vec<&str> = source.templates.values().filter_map(|it| template_columns(it)).flatten().collect();
    for (at, column) in source.ignore.iter().enumerate() {
        let taken = source.columns.contains_key(column) || used.contains(&column.as_str());
        if taken || source.ignore[..at].contains(column) {
            let place = part.node.place_of(&format!("/ignore/{at}"));
            let fact = (
                format!("列“{column}”既略去又用到，或重复"),
                format!("column {column:?} is both used and ignored, or stands twice"),
            );
            report.add(place, "pack.twice", (&fact.0, &fact.1), ("删去一处", "remove one of them"));
        }
    }
}

/// A table is read in the order of its key, and rows that are gone are found by it.
fn key(part: &Part<Source>, record: &RecordType, report: &mut Report<'_>) {
    if part.value.from.is_some() && part.value.key_columns(record).is_none() {
        let names = record.key.iter().map(FieldName::as_str).collect::<Vec<_>>().join(", ");
        let fact = (
            format!("主键信息项 {names} 并非都来自 columns"),
            format!("not every field of the key ({names}) comes from columns"),
        );
        let remedy = (
            "在 columns 中为每个主键信息项写明一列，不用 constants 或 templates",
            "give each of them a column in columns, not constants or templates",
        );
        report.add(part.node.place_of("/columns"), "pack.source_key", (&fact.0, &fact.1), remedy);
    }
}

/// What a table of others asks for.
fn from(part: &Part<Source>, report: &mut Report<'_>) {
    let source = &part.value;
    let Some(from) = &source.from else { return };
    if !source.files.is_empty() {
        let fact = ("同时写了 files 与 from", "both files and from are given");
        report.add(part.node.place_of("/from"), "pack.twice", fact, ("只留一处", "leave one of them"));
    }
    let parts: Vec<&str> = from.table.split('.').collect();
    let bad = |it: &&str| it.is_empty() || it.chars().any(char::is_control);
    if parts.len() > 2 || parts.iter().any(bad) {
        let fact = (format!("表名“{}”不合要求", from.table), format!("table {:?} is no name", from.table));
        let remedy = ("写 TABLE 或 schema.TABLE", "write TABLE or schema.TABLE");
        report.add(part.node.place_of("/from/table"), "pack.source_table", (&fact.0, &fact.1), remedy);
    }
    if from.live {
        let more = !source.nulls.is_empty() || !source.constants.is_empty() || !source.templates.is_empty();
        if more || from.every_minutes.is_some() || from.watch.is_some() {
            let fact = (
                "live 的数据源带有 nulls、constants、templates、watch 或 every_minutes",
                "a live source has nulls, constants, templates, watch or every_minutes",
            );
            let remedy = (
                "只写 columns：条件要能在对方的表上执行；或去掉 live",
                "give columns alone, so that conditions can be put to the table itself; or drop live",
            );
            report.add(part.node.place_of("/from/live"), "pack.source_live", fact, remedy);
        }
    }
}

/// Paths stay inside the folder of real data.
fn files(part: &Part<Source>, report: &mut Report<'_>) {
    for (at, file) in part.value.files.iter().enumerate() {
        let bad = |it: &str| it.is_empty() || it == "." || it == ".." || it.contains(['\\', ':', '\0']);
        if file.split('/').any(bad) {
            let place = part.node.place_of(&format!("/files/{at}"));
            let fact = (format!("路径“{file}”越出数据文件夹"), format!("path {file:?} leaves the folder of data"));
            let remedy = ("写文件夹内的相对路径", "write a relative path within the folder");
            report.add(place, "pack.path", (&fact.0, &fact.1), remedy);
        }
    }
}
