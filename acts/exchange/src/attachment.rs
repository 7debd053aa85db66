//! Attachments (附件): files that an asker adds to a request or its supplement. The signed text names each with its
//! digest; the bytes are kept beside it, and fetched by whoever answers when somebody looks.

use crate::{AccessRequest, Event, RequestView};
use policy::{Ask, Need, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vocabulary::{Digest, Kind, Problem, ensure};

/// Files of one request or supplement at most.
pub const ATTACHMENTS_MAX: usize = 5;
/// Bytes of one file at most.
pub const ATTACHMENT_BYTES_MAX: u64 = 4 << 20;
/// A file's name is at most this long.
pub const ATTACHMENT_NAME_CHARS_MAX: usize = 100;

/// A file by its name and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// What the asker calls it, with its ending: `授权书.pdf`.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// Looking at a file that came with a request: whoever makes, checks or answers requests, and the audit.
#[derive(Debug)]
pub struct ReadAttachment;

impl Ask for ReadAttachment {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Checker, Role::Approver, Role::ProviderOfficer, Role::AuditAdministrator])
    }
}

/// Whether it turns the direction of what follows: `a\u{202e}fdp.exe` would look like `aexe.pdf`.
fn turns(it: char) -> bool {
    matches!(it, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether files may stand in a request: few, short, named, no name twice.
///
/// # Errors
/// `exchange.attachments` with what is too much, `exchange.attachment_name`.
pub fn check_attachments(files: &[Attachment]) -> Result<(), Problem> {
    let most = ATTACHMENT_BYTES_MAX >> 20;
    ensure!(
        files.len() <= ATTACHMENTS_MAX && files.iter().all(|it| (1..=ATTACHMENT_BYTES_MAX).contains(&it.bytes)),
        Problem::new(
            Kind::TooLarge,
            "exchange.attachments",
            format!("附件至多 {ATTACHMENTS_MAX} 个，每个不为空且不超过 {most} MiB；请拆分或压缩"),
            format!("at most {ATTACHMENTS_MAX} files, none empty or above {most} MiB; split them or make them smaller"),
        )
        .field("/attachments")
    );
    let mut seen = BTreeSet::new();
    for file in files {
        let sound = !file.name.trim().is_empty()
            && file.name.chars().count() <= ATTACHMENT_NAME_CHARS_MAX
            && !file.name.chars().any(|it| it.is_control() || turns(it) || "/\\:*?\"<>|".contains(it))
            && !file.name.starts_with('.');
        ensure!(
            sound && seen.insert(&file.name),
            Problem::new(
                Kind::Unprocessable,
                "exchange.attachment_name",
                format!("附件名“{}”不可用或重复；请用 1–{ATTACHMENT_NAME_CHARS_MAX} 个字符的文件名", file.name),
                format!(
                    "{:?} is taken or no file name; use one of 1 to {ATTACHMENT_NAME_CHARS_MAX} characters",
                    file.name
                ),
            )
            .field("/attachments")
        );
    }
    Ok(())
}

/// The files of a request and its supplements, in the order in which they came: their numbers count from 0.
pub fn attachments(view: &RequestView) -> Vec<&Attachment> {
    let AccessRequest { attachments, .. } = &view.request.body;
    let supplemented = view.events.iter().filter_map(|it| match it {
        Event::Supplemented(it) => Some(&it.body.attachments),
        Event::Answered(_) => None,
    });
    std::iter::once(attachments).chain(supplemented).flatten().collect()
}

/// There is no such file.
pub fn no_attachment(number: usize) -> Problem {
    Problem::new(
        Kind::Missing,
        "exchange.attachment_missing",
        format!("该申请没有第 {number} 号附件；yunhe request show 列出全部（自 0 起）"),
        format!("this request has no file number {number}; yunhe request show lists them, from 0"),
    )
}

/// What was kept or sent is not the file that was signed.
pub fn other_attachment(file: &Attachment) -> Problem {
    Problem::new(
        Kind::Peer,
        "exchange.attachment_differs",
        format!("附件“{}”与签名所列摘要不符，不予采用；请申请方重新提交", file.name),
        format!(
            "{:?} is not the file whose digest was signed, and is not used; let the asker send it again",
            file.name
        ),
    )
}
